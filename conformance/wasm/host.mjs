// Prints the digests that the module FILE computes at one level (0 scalar, 1 wide): node host.mjs FILE LEVEL
import { readFileSync } from "node:fs";

const [file, level] = process.argv.slice(2);
let memory;
const line = (at, length) => console.log(new TextDecoder().decode(new Uint8Array(memory.buffer, at, length)));
const { instance } = await WebAssembly.instantiate(readFileSync(file), { env: { line } });
memory = instance.exports.memory;
process.exitCode = instance.exports.run(Number(level));
