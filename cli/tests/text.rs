//! Text as people write it: the same three pairs in every spelling that is read, and one line that names the cause in every
//! one that is not.

mod common;

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use common::*;

const HEADER: &str = "policy_chosen_logps,policy_rejected_logps,ref_chosen_logps,ref_rejected_logps";
const ROWS: [&str; 3] = ["-12.5,-14.0,-13.0,-13.5", "-30.25,-28.5,-29.75,-29.0", "-7.75,-9.5,-8.0,-9.25"];

/// The pairs as CSV.
fn csv() -> String {
    format!("{HEADER}\n{}\n", ROWS.join("\n"))
}

/// CSV with a column of text before the others.
fn csv_with_text(texts: [&str; 3]) -> String {
    let row = |(text, row): (&str, &str)| format!("{text},{row}\n");
    format!("prompt,{HEADER}\n{}", texts.into_iter().zip(ROWS).map(row).collect::<String>())
}

/// A row as a JSON object; each value is the text between the commas of the row.
fn object(row: &str) -> String {
    let members: Vec<_> =
        HEADER.split(',').zip(row.split(',')).map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", members.join(", "))
}

/// The pairs as JSON lines.
fn jsonl() -> String {
    ROWS.map(|row| object(row) + "\n").concat()
}

/// What the three pairs come to, as the JSON that is printed.
fn expected() -> String {
    let folder = Folder::new();
    let all = succeeds(score().arg(folder.write("plain.csv", csv())).arg("--json"));
    let got: serde_json::Value = serde_json::from_str(&all).unwrap();
    assert_eq!((&got["pairs"], f32_of(&got["loss"])), (&3.into(), 0.685_751));
    all
}

/// That a file of this name and contents is read as the three pairs.
#[track_caller]
fn reads(name: &str, contents: impl AsRef<[u8]>, options: &[&str]) {
    let folder = Folder::new();
    let file = folder.write(name, contents);
    assert_eq!(succeeds(score().arg(file).arg("--json").args(options)), expected(), "{name} {options:?}");
}

/// That it is refused, nothing written, and the line holds all words.
#[track_caller]
fn refuses(name: &str, contents: impl AsRef<[u8]>, options: &[&str], words: &[&str]) {
    let folder = Folder::new();
    let file = folder.write(name, contents);
    let line = refused(score().arg(&file).args(options).arg("--out").arg(folder.path("out.csv")));
    for word in words.iter().chain([&name]) {
        assert!(line.contains(word), "{word:?} is missing in: {line}");
    }
    let rest = line.replace(&*folder.path("").to_string_lossy(), "");
    assert!(rest.len() < 400, "{} bytes: {rest}", rest.len());
    assert_eq!(folder.names(), [name], "something was left behind");
}

#[test]
fn quotes_that_are_right_are_read() {
    for texts in [
        ["a", "\"b\"", "\"\""],
        ["\"a, with a comma\"", "\"two\nlines\"", "\"a \"\"word\"\"\""],
        ["\"a \"\", b\"", "\"\"\", \"\"\"", "\"\"\"\"\"\""],
        ["\"\"\"\"", "\"\r\n\"", "it's"],
        ["\"\n\n,,,\n\"", "\u{201c}curly\u{201d}", " blanks "],
    ] {
        reads("a.csv", csv_with_text(texts), &[]);
        reads("a.csv", csv_with_text(texts).replace("\r\n", "\n").replace('\n', "\r\n"), &[]);
    }
    // All fields quoted, also the names and the numbers.
    let quoted: String = csv()
        .lines()
        .map(|line| line.split(',').map(|field| format!("\"{field}\"")).collect::<Vec<_>>().join(",") + "\n")
        .collect();
    reads("a.csv", quoted, &[]);
}

#[test]
fn quotes_that_are_wrong_never_swallow_rows() {
    for (texts, line, word) in [
        (["\"6\\\"\"", "\"b\"", "\"c\""], 2, "closes in front of other text in line 3"),
        (["\"Hello she said", "Bye\" he said", "c"], 2, "closes in front of other text in line 3"),
        (["\"a\"b", "b", "c"], 2, "closes in front of other text;"),
        (["a", "\"b\" ", "c"], 3, "closes in front of other text;"),
        (["a", "\"say \\\"hi\\\"\"", "c"], 3, "backslash"),
        (["a", "b", "\"c"], 4, "not closed before the file ends"),
        (["\"a", "b", "c"], 2, "not closed before the file ends"),
        (["a", "\"b", "\"\""], 3, "not closed before the file ends"),
        (["\"\"\"", "b", "c"], 2, "not closed before the file ends"),
        (["a", "5\" pipe", "c"], 3, "inside a field"),
        (["a", "b", "say \"hi\""], 4, "inside a field"),
        (["a", " \"b\"", "c"], 3, "a blank stands before the quote"),
        (["a", "\t\"b\"", "c"], 3, "a blank stands before the quote"),
    ] {
        refuses("a.csv", csv_with_text(texts), &[], &[&format!("line {line}: "), word]);
    }
    // As the last column.
    let last = |texts: [&str; 3]| {
        let rows = ROWS.iter().zip(texts).map(|(row, text)| format!("{row},{text}\n")).collect::<String>();
        format!("{HEADER},prompt\n{rows}")
    };
    refuses("a.csv", last(["\"unclosed", "ok", "ok"]), &[], &["line 2: ", "not closed"]);
    refuses("a.csv", last(["a", "b", "\"unclosed"]), &[], &["line 4: ", "not closed"]);
    refuses("a.csv", csv().replace(",p", ", \"p").replace("logps,", "logps\","), &[], &["line 1: "]);
    let header = HEADER.split(',').map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    refuses("a.csv", csv().replace(HEADER, &header), &[], &["line 1: a blank stands before the quote"]);
    // With other delimiters and line ends alike.
    let tabs = csv_with_text(["\"a", "b", "c"]).replace(',', "\t");
    refuses("a.tsv", &tabs, &[], &["line 2: ", "not closed"]);
    refuses("a.csv", csv_with_text(["a", "\"b\"x", "c"]).replace('\n', "\r"), &[], &["line 3: ", "other text"]);
    // A bad number in a line before is the one to hear of.
    let both = csv_with_text(["a", "b", "\"c"]).replace("-28.5", "abc");
    refuses("a.csv", both, &[], &["line 3, column policy_rejected_logps", "abc"]);
}

/// A sparse file, which takes no room: a record has a limit, with a quote open or not.
#[cfg(unix)]
#[test]
fn records_have_a_limit() {
    let folder = Folder::new();
    for (name, start, word) in [
        (
            "quote.csv",
            csv_with_text(["\"a", "b", "c"]),
            "line 2: the quote that opens here is not closed within 256 MiB",
        ),
        ("plain.csv", csv() + "-1", "line 5: longer than 256 MiB"),
        ("lines.jsonl", jsonl() + "{", "line 4: longer than 256 MiB"),
        ("array.json", format!("[{}, {{\"a\": \"", object(ROWS[0])), "row 2: an object longer than 256 MiB"),
    ] {
        // Behind what is looked at when the file is opened, so that it is not taken for binary.
        let file = folder.write(name, start + &"x".repeat(70_000));
        fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(300 << 20).unwrap();
        let line = refused(score().arg(&file));
        assert!(line.contains(word), "{word:?} is missing in: {line}");
    }
    refuses("a.csv", "x,".repeat(1 << 20) + &csv(), &[], &["line 1: ", "1048576 fields"]);
}

#[test]
fn a_last_line_without_its_end_gets_a_word() {
    let folder = Folder::new();
    let says = |text: &str| {
        let report = succeeds(score().arg(folder.write("a.csv", text)));
        report.contains("a.csv has no end") && report.contains("cut off")
    };
    let whole = csv();
    assert!(says(&whole[..whole.len() - 1]));
    // The cut takes digits, and what is left is a number.
    assert!(says(&whole[..whole.len() - 3]));
    for ended in [whole.clone(), whole.replace('\n', "\r\n"), whole.replace('\n', "\r"), whole.clone() + "  "] {
        assert!(!says(&ended), "{ended:?}");
    }
    // An object is whole, or no object.
    let lines = folder.write("a.jsonl", jsonl().trim_end());
    assert!(!succeeds(score().arg(lines)).contains("has no end"));
}

#[test]
fn other_delimiters_and_line_ends() {
    let with = |delimiter: &str| csv().replace(',', delimiter);
    reads("a.csv", with("|"), &["--delimiter", "|"]);
    reads("a.csv", with(";"), &["--delimiter", ";"]);
    reads("a.csv", with(" ; "), &["--delimiter", ";"]);
    reads("a.csv", with("\t"), &["--delimiter", "tab"]);
    reads("a.csv", with("\t"), &["--delimiter", "\\t"]);
    reads("a.csv", with("   "), &["--delimiter", "space"]);
    reads("a.csv", with("  ").replace('\n', " \n   \n  "), &["--delimiter", "space"]);
    reads("a.csv", with("\u{1}"), &["--delimiter", "\u{1}"]);
    reads("a.tsv", with("\t"), &[]);
    reads("a.TSV", with("\t"), &[]);
    reads("a.tsv", csv(), &["--delimiter", ","]);
    reads("a.txt", with("\t"), &["--format", "tsv"]);
    for ends in ["\r", "\r\n"] {
        reads("a.csv", csv().replace('\n', ends), &[]);
        reads("a.jsonl", jsonl().replace('\n', ends), &[]);
    }
    reads("a.csv", csv_with_text(["\"a\nb\"", "b", "c"]).replace('\n', "\r"), &[]);
    // The one that would be right is named.
    for (delimiter, name) in
        [("|", "'|'"), (";", "';'"), (" ; ", "';'"), ("\t", "tab"), (" ", "space"), (":", "':'"), ("\u{1}", "$'\\x01'")]
    {
        refuses("a.csv", with(delimiter), &[], &["line 1: ", &format!("--delimiter {name}")]);
    }
    refuses("a.tsv", csv(), &[], &["line 1: ", "--delimiter ','"]);
    refuses("a.csv", csv().replacen('\n', "\r", 2), &[], &["line 1: ", "carriage return"]);
    for wrong in ["", "ab", "e", "1", "-", ".", "\"", "\u{e9}"] {
        let line = refused(score().args(["a.csv", "--delimiter", wrong]));
        assert!(line.contains("--delimiter"), "{line}");
    }
}

#[test]
fn decimal_commas() {
    let german = csv().replace(',', ";").replace('.', ",");
    reads("a.csv", &german, &["--decimal-comma"]);
    reads(
        "a.csv",
        german
            .replace(";-", ";\"-")
            .replace(";\"", "\";\"")
            .replace("\n-", "\n\"-")
            .replace(",5\n", ",5\"\n")
            .replace(",0\n", ",0\"\n")
            .replace(",25\n", ",25\"\n"),
        &["--decimal-comma"],
    );
    reads("a.tsv", german.replace(';', "\t"), &["--decimal-comma"]);
    reads("a.csv", german.replace(';', "|"), &["--decimal-comma", "--delimiter", "|"]);
    let quoted: String = HEADER.to_owned()
        + "\n"
        + &ROWS
            .map(|row| {
                row.split(',').map(|x| format!("\"{}\"", x.replace('.', ","))).collect::<Vec<_>>().join(",") + "\n"
            })
            .concat();
    reads("a.csv", &quoted, &["--decimal-comma", "--delimiter", ","]);
    // Excel's line before the header, which names the delimiter.
    for line in ["sep=;", "SEP=;", "\"sep=;\""] {
        reads("a.csv", format!("{line}\r\n{}", csv().replace(',', ";")), &[]);
    }
    reads("a.csv", format!("sep=;\n{german}"), &["--decimal-comma"]);
    refuses("a.csv", &german, &[], &["line 1: ", "--decimal-comma"]);
    refuses(
        "a.csv",
        &german,
        &["--delimiter", ";"],
        &["line 2, column policy_chosen_logps", "\"-12,5\"", "--decimal-comma"],
    );
    refuses("a.csv", &quoted, &[], &["line 2, column policy_chosen_logps", "--decimal-comma"]);
    refuses("a.csv", format!("{HEADER}\n-12,5,-14,0,-13,0,-13,5\n"), &[], &["line 2: 8 fields", "--decimal-comma"]);
    // Half of it would be read wrongly otherwise: 1.234 is 1234 to who writes commas.
    refuses("a.csv", csv().replace(',', ";"), &["--decimal-comma"], &["line 2, column policy_chosen_logps", "point"]);
}

#[test]
fn headers_and_comments() {
    // As numpy.savetxt writes the names.
    reads("a.csv", format!("# {}", csv()), &[]);
    reads("a.csv", format!("#{}", csv()), &[]);
    reads("a.csv", format!("## made \"today\n# {}", csv()), &[]);
    reads("a.csv", format!("# a title\n# and more\n{}", csv()), &[]);
    reads("a.csv", format!("# {}", csv().replace(',', " ")), &["--delimiter", "space"]);
    reads("a.csv", format!("\n  \n{}", csv()), &[]);
    refuses("a.csv", format!("# {}", csv().replace(',', " ")), &[], &["--delimiter space"]);
    refuses("a.csv", "# nothing else\n", &[], &["comments alone"]);
    refuses("a.csv", csv() + "# the end\n", &[], &["line 5: 1 field", "comment"]);
    refuses("a.csv", ROWS.join("\n"), &[], &["line 1: a number, -12.5, where the first line must name the columns"]);
    refuses(
        "a.csv",
        csv() + &csv(),
        &[],
        &["line 5, column policy_chosen_logps: the header stands here a second time"],
    );
}

#[test]
fn encodings() {
    let wide = |text: &str, big: bool| -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    for (name, text) in [("a.csv", csv()), ("a.jsonl", jsonl()), ("a.json", format!("[{}]", object(ROWS[0])))] {
        for big in [false, true] {
            refuses(name, wide(&text, big), &[], &["UTF-16 text without a byte order mark", "iconv"]);
            refuses(name, wide(&format!("\u{feff}{text}"), big), &[], &["UTF-16 text;", "iconv"]);
        }
        let utf32: Vec<u8> = format!("\u{feff}{text}").chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
        refuses(name, utf32, &[], &["UTF-32"]);
        refuses(name, text + "\0", &[], &["is 0"]);
    }
    reads("a.csv", format!("\u{feff}{}", csv()), &[]);
    reads("a.json", format!("\u{feff}[{}]", ROWS.map(object).join(",")), &[]);
    refuses("a.csv", [HEADER.as_bytes(), b"\ncaf\xe9,1,1,1\n"].concat(), &[], &["line 2", "not UTF-8"]);
}

#[test]
fn what_is_no_number_has_its_cause_named() {
    for (value, word) in [
        ("\"1,234.5\"", "separators of thousands"),
        ("1 234.5", "separators of thousands"),
        ("1'234", "separators of thousands"),
        ("-1_000", "separators of thousands"),
        ("\"-12,5\"", "--decimal-comma"),
        ("12.5%", "percentage"),
        ("\u{2212}12.5", "minus"),
        ("(12.5)", "brackets"),
        ("tensor(-12.5)", "brackets"),
        ("1.5D+01", "exponent D"),
        ("abc", "a decimal number"),
        ("$5", "a decimal number"),
        ("1e", "a decimal number"),
        ("\"[-1.5, -2]\"", "--tokens sum"),
    ] {
        let text = format!("{HEADER}\n{value},-1,-1,-1\n");
        refuses("a.csv", text, &[], &["line 2, column policy_chosen_logps: ", word]);
    }
    refuses("a.csv", format!("{HEADER}\n{},-1,-1,-1\n", "9x".repeat(100_000)), &[], &["9x9x...", "is not a number"]);
    refuses(
        "a.csv",
        format!("{HEADER},w\n{},-3.4e38\n", ROWS[0]),
        &["--weights", "w"],
        &["column w: -3.4e", "at least 0"],
    );
}

/// What pandas and others write of a value that they do not have.
#[test]
fn missing_values() {
    let nulls = |text: &str, name: &str| {
        let file = |folder: &Folder| folder.write(name, text);
        let folder = Folder::new();
        let nan = json(score().arg(file(&folder)).args(["--nulls", "nan"]));
        assert_eq!((&nan["pairs"], &nan["nonfinite"], &nan["skipped"]), (&3.into(), &1.into(), &0.into()), "{text}");
        let skip = json(score().arg(file(&folder)).args(["--nulls", "skip"]));
        assert_eq!((&skip["pairs"], &skip["nonfinite"], &skip["skipped"]), (&2.into(), &0.into(), &1.into()), "{text}");
        assert_eq!(f32_of(&skip["loss"]), (0.744_396_7 + 0.668_459_65) / 2.0, "{text}");
        let line = refused(score().arg(file(&folder)));
        assert!(line.contains("no value") && line.contains("--nulls skip"), "{line}");
        let place = if name == "a.jsonl" { "line 1" } else { "line 2" };
        assert!(line.contains(&format!("{place}, column policy_chosen_logps")), "{line}");
    };
    for null in ["", "\"\"", "  ", "NA", "N/A", "n/a", "#N/A", "<NA>", "NULL", "null", "None", "\\N", "\"NA\""] {
        nulls(&csv().replace("-12.5", null), "a.csv");
    }
    nulls(&csv().replace("-12.5", "").replace(',', "\t"), "a.tsv");
    nulls(&jsonl().replace("-12.5", "null"), "a.jsonl");
    // A row without any value is a row all the same.
    let folder = Folder::new();
    let empty = folder.write("a.tsv", (csv() + ",,,\n").replace(',', "\t"));
    assert_eq!(json(score().arg(empty).args(["--nulls", "skip"]))["skipped"], 1);
    let report =
        succeeds(score().arg(folder.write("b.csv", csv() + ",-1,-1,-1\nnan,-1,-1,-1\n")).args(["--nulls", "skip"]));
    assert!(report.contains("4 pairs") && report.contains("1 row left out"), "{report}");
    // Rows are counted as they stand in the file.
    assert!(report.contains("1 pair of 4 not finite: row 5"), "{report}");
    let none = folder.write("c.csv", format!("{HEADER}\n,,,\nNA,-1,-1,-1\n"));
    let line = refused(score().arg(none).args(["--nulls", "skip"]));
    assert!(line.contains("each of its rows, all 2"), "{line}");
    // --out has the rows that are left.
    let out = folder.path("out.csv");
    succeeds(
        score().arg(folder.write("d.csv", csv().replace("-28.5", ""))).args(["--nulls", "skip"]).arg("--out").arg(&out),
    );
    assert_eq!(read_back(&out)["loss"].len(), 2);
}

#[test]
fn numbers_that_json_lacks() {
    for (literal, number) in [
        ("NaN", "nan"),
        ("Infinity", "inf"),
        ("-Infinity", "-inf"),
        ("nan", "nan"),
        ("-nan", "nan"),
        ("inf", "inf"),
        ("-inf", "-inf"),
        ("-INF", "-inf"),
    ] {
        for (name, open, close) in [("a.jsonl", "", ""), ("a.json", "[", "]")] {
            let folder = Folder::new();
            // Also where it is not wanted; in text it stays text.
            let extra = format!("{{\"x\": [{literal}, {{\"y\": {literal}}}], \"s\": \"NaN \\\" Infinity\", ");
            let row = object(ROWS[0]).replace("-12.5", literal).replace('{', &extra);
            let got = json(score().arg(folder.write(name, format!("{open}{row}{close}"))));
            assert_eq!(got["logps/chosen"].to_string().trim_matches('"'), number, "{literal}");
        }
    }
    for wrong in ["NaNs", "nan1", "1nan", "+Infinity", "Inf inity", "N", "NaN NaN"] {
        let row = object(ROWS[0]).replace("-12.5", wrong);
        refuses("a.jsonl", row, &[], &["line 1"]);
    }
    let elsewhere = object(ROWS[0]).replace("-12.5", "NaN").replace("-13.5", "oops");
    refuses("a.jsonl", elsewhere, &[], &["line 1, column ref_rejected_logps", "not valid JSON"]);
    for python in ["{'a': 1}", &object(ROWS[0]).replace("-12.5", "None"), &object(ROWS[0]).replace("-12.5", "True")] {
        refuses("a.jsonl", python, &[], &["line 1", "json.dumps"]);
    }
}

#[test]
fn lists_of_tokens() {
    let lists = |list: &dyn Fn(f64) -> String| {
        ROWS.map(|row| {
            let values = row.split(',').map(|x| list(x.parse().unwrap()));
            let members: Vec<_> = HEADER.split(',').zip(values).map(|(name, x)| format!("\"{name}\": {x}")).collect();
            format!("{{{}}}\n", members.join(", "))
        })
        .concat()
    };
    let sums = lists(&|x| format!("[null, {}, {}]", x / 2.0, x / 2.0));
    let means = lists(&|x| format!("[null, {x}, {}, {}]", x - 1.0, x + 1.0));
    reads("a.jsonl", &sums, &["--tokens", "sum"]);
    reads("a.jsonl", &means, &["--tokens", "mean"]);
    // Steps of segments, with a discount: the first that is there counts 1.
    let steps = lists(&|x| format!("[null, {}, {x}]", x / 2.0));
    reads("a.jsonl", &steps, &["--tokens", "sum", "--discount", "0.5"]);
    reads("a.jsonl", &sums, &["--tokens", "sum", "--discount", "1"]);
    for (options, word) in [
        (&["--tokens", "sum", "--discount", "1.5"][..], "from 0 to 1"),
        (&["--tokens", "sum", "--discount", "nan"], "from 0 to 1"),
        (&["--tokens", "mean", "--discount", "0.5"], "for --tokens sum"),
        (&["--discount", "0.5"], "for --tokens sum"),
    ] {
        let folder = Folder::new();
        let line = refused(score().arg(folder.write("a.jsonl", &steps)).args(options));
        assert!(line.contains("--discount") && line.contains(word), "{line}");
    }
    reads("a.jsonl", lists(&|x| format!("[{x}]")), &["--tokens", "sum"]);
    // Strings of numbers where they are read, and a plain number beside lists.
    reads("a.jsonl", lists(&|x| format!("[\"{x}\"]")), &["--tokens", "sum", "--number-strings"]);
    reads("a.jsonl", sums.replace("[null, -7, -7]", "-14"), &["--tokens", "sum"]);
    // As pandas writes lists into CSV.
    let rows =
        ROWS.map(|row| row.split(',').map(|x| format!("\"[None, {x}, 0]\"")).collect::<Vec<_>>().join(",") + "\n");
    reads("a.csv", format!("{HEADER}\n{}", rows.concat()), &["--tokens", "sum"]);
    refuses(
        "a.jsonl",
        &sums,
        &[],
        &["line 1, column policy_chosen_logps: holds lists", "--tokens sum", "--tokens mean"],
    );
    for (list, word) in [
        ("[]", "without a token"),
        ("[null]", "without a token"),
        ("[-1, null, -1]", "null at position 1"),
        ("[[-1]]", "position 0"),
        ("[-1, true]", "position 1"),
        ("[\"-1\"]", "--number-strings"),
    ] {
        let row = object(ROWS[0]).replace("-12.5", list);
        refuses(
            "a.jsonl",
            format!("{row}\n{row}"),
            &["--tokens", "sum"],
            &["line 1, column policy_chosen_logps", word],
        );
    }
}

#[test]
fn strings_that_hold_numbers() {
    let strings = jsonl().replace(": -", ": \"-").replace(", \"", "\", \"").replace('}', "\"}");
    assert!(strings.contains("\"-13.5\"}"));
    reads("a.jsonl", &strings, &["--number-strings"]);
    reads("a.jsonl", strings.replace('.', ","), &["--number-strings", "--decimal-comma"]);
    refuses("a.jsonl", &strings, &[], &["line 1, column policy_chosen_logps: \"-12.5\" is text", "--number-strings"]);
    refuses("a.jsonl", strings.replace("-12.5", "high"), &["--number-strings"], &["\"high\" is not a number"]);
    refuses("a.jsonl", strings.replace("-12.5", ""), &["--number-strings"], &["no value"]);
}

#[test]
fn names_of_values_inside_objects() {
    let options = [
        "--policy-chosen",
        "policy.chosen",
        "--policy-rejected",
        "policy.rejected",
        "--ref-chosen",
        "ref.a.chosen",
        "--ref-rejected",
        "ref.a.rejected",
    ];
    let nested = |row: &str| {
        let x: Vec<_> = row.split(',').collect();
        format!(
            "{{\"policy\": {{\"chosen\": {}, \"rejected\": {}}}, \"ref\": {{\"a\": {{\"chosen\": {}, \"b\": {{}}}}, \"a.rejected\": {}}}}}\n",
            x[0], x[1], x[2], x[3]
        )
    };
    let text = ROWS.map(nested).concat();
    reads("a.jsonl", &text, &options);
    refuses("a.jsonl", &text, &[], &["no column policy_chosen_logps", "policy.chosen, policy.rejected, ref.a.chosen"]);
    let twice = text.replacen("{\"policy\"", "{\"policy.chosen\": 1, \"policy\"", 1);
    refuses("a.jsonl", twice, &options, &["line 1, column policy.chosen", "twice"]);
    let null = text.replacen("{\"chosen\": -12.5, \"rejected\": -14.0}", "null", 1);
    refuses("a.jsonl", &null, &options, &["line 1, column policy.chosen", "no value"]);
    for other in ["5", "[1]", "\"x\"", "{\"Chosen\": 1}"] {
        let text = text.replacen("{\"chosen\": -12.5, \"rejected\": -14.0}", other, 1);
        refuses("a.jsonl", text, &options, &["line 1: no column policy.chosen"]);
    }
}

#[test]
fn arrays_of_objects() {
    let objects = ROWS.map(object);
    reads("a.json", format!("[{}]", objects.join(",")), &[]);
    reads("a.jsonl", format!("[{}]", objects.join(",")), &[]);
    reads("a.json", format!("\n [\n  {}\n ]\n\n", objects.join(" ,\n  ")), &[]);
    let pretty: Vec<serde_json::Value> = objects.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    reads("a.json", serde_json::to_string_pretty(&pretty).unwrap(), &[]);
    // Lines in a file of this ending, as datasets.to_json writes them.
    reads("a.json", jsonl(), &[]);
    let text = objects.each_ref().map(|text| text.replace('{', "{\"p\": \"a ] } \\\" {[\\\\\", \"q\": [[{}], {}], "));
    reads("a.json", format!("[{}]", text.join(",")), &[]);
    let [a, b, c] = &objects;
    for (text, words) in [
        (format!("[{a},{b},{c}"), &["row 4: cut off"][..]),
        (format!("[{a},{b},{}", &c[..40]), &["row 3: cut off"]),
        (format!("[{a},{b},{c},]"), &["row 4", "']'"]),
        (format!("[{a}{b}]"), &["row 2", "comma"]),
        (format!("[{a}] [{b}]"), &["row 2", "follows the end of the array"]),
        (format!("[{a}] x"), &["row 2", "'x' follows"]),
        (format!("[{a},[1]]"), &["row 2", "a list"]),
        (format!("[{a},1]"), &["row 2", "an object is needed"]),
        (format!("[{a},null]"), &["row 2", "an object is needed"]),
        (format!("[{a},{}]", b.replace("-28.5", "abc")), &["row 2, column policy_rejected_logps", "not valid JSON"]),
        (format!("[{a},{}]", b.replace("-28.5", "\"abc\"")), &["row 2, column policy_rejected_logps", "text"]),
        (format!("[{a},{{\"x\": 1}}]"), &["row 2: no column policy_chosen_logps"]),
        ("[]".to_owned(), &["no rows"]),
        // Columns instead of rows, as pandas writes them.
        (
            "{\"policy_chosen_logps\": [-1, -2], \"policy_rejected_logps\": [-1, -2]}".to_owned(),
            &["one object each", "records"],
        ),
        (
            "{\"policy_chosen_logps\": {\"0\": -1}, \"policy_rejected_logps\": {\"0\": -1}}".to_owned(),
            &["one object each"],
        ),
        (format!("{{\"data\": [{a}]}}"), &["no column policy_chosen_logps; columns there: data"]),
        (serde_json::to_string_pretty(&pretty[0]).unwrap(), &["line 1", "an array of them"]),
    ] {
        refuses("a.json", text, &[], words);
    }
}

/// Depth costs neither stack nor time.
#[test]
fn deep_json() {
    let deep = |open: &str, close: &str| open.repeat(200_000) + "1" + &close.repeat(200_000);
    for value in [deep("[", "]"), deep("{\"a\":", "}")] {
        let rows = ROWS.map(|row| object(row).replace('{', &format!("{{\"x\": {value}, ")));
        reads("a.jsonl", rows.join("\n"), &[]);
        reads("a.json", format!("[{}]", rows.join(",")), &[]);
        refuses("a.jsonl", format!("{{\"x\": {value}}}"), &[], &["no column policy_chosen_logps"]);
        refuses("a.jsonl", format!("{{\"policy_chosen_logps\": {value}}}"), &[], &["line 1"]);
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compressed_text() {
    let array = format!("[{}]", ROWS.map(object).join(","));
    for (compress, ending) in [(gzip as fn(&[u8]) -> Vec<u8>, "gz"), (zstd, "zst")] {
        let name = |inner: &str| format!("a.{inner}.{ending}");
        reads(&name("csv"), compress(csv().as_bytes()), &[]);
        reads(&name("CSV"), compress(csv().as_bytes()), &[]);
        reads(&name("tsv"), compress(csv().replace(',', "\t").as_bytes()), &[]);
        reads(&name("jsonl"), compress(jsonl().as_bytes()), &[]);
        reads(&name("json"), compress(array.as_bytes()), &[]);
        // The contents count, not the ending.
        reads("a.csv", compress(csv().as_bytes()), &[]);
        reads(&name("csv"), csv(), &[]);
        reads(&format!("a.{ending}"), compress(csv().as_bytes()), &["--format", "csv"]);
        // One after the other, cut anywhere.
        let text = csv();
        let (start, end) = text.as_bytes().split_at(100);
        reads(&name("csv"), [compress(start), compress(end)].concat(), &[]);
        let whole = compress(csv().as_bytes());
        for cut in [7, 12, 20, whole.len() / 2, whole.len() - 1] {
            refuses(&name("csv"), &whole[..cut], &[], &["cut off"]);
        }
        refuses(&name("csv"), [&whole[..], b"and something else"].concat(), &[], &["something else"]);
        refuses(&name("csv"), [&whole[..], &[0; 64]].concat(), &[], &["something else"]);
        let mut changed = whole.clone();
        let last = changed.len() - 5;
        changed[last] ^= 1;
        refuses(&name("csv"), changed, &[], &["cannot be read"]);
        refuses(&name("csv"), compress(&whole), &[], &["compressed twice"]);
        refuses(&name("csv"), compress(b""), &[], &["is empty"]);
        // What is wrong inside is named as ever.
        refuses(
            &name("csv"),
            compress(csv().replace("-28.5", "x").as_bytes()),
            &[],
            &["line 3, column policy_rejected_logps"],
        );
        refuses(&name("parquet"), &whole, &[], &["decompress"]);
        refuses(&format!("a.{ending}"), &whole, &[], &["--format"]);
    }
    for (name, magic) in
        [("bzip2", &b"BZh91AY"[..]), ("xz", b"\xfd7zXZ\0"), ("lz4", b"\x04\x22\x4d\x18"), ("zip", b"PK\x03\x04zzzz")]
    {
        refuses("a.csv", magic, &[], &[name]);
    }
    for ending in ["bz2", "xz", "zip"] {
        refuses(&format!("a.csv.{ending}"), "x", &[], &[ending, "decompress"]);
    }
}

/// Runs over standard input.
fn fed(input: &[u8], options: &[&str]) -> Command {
    let mut command = score();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in"), input).unwrap();
    // A pipe, which cannot go back.
    let mut cat = Command::new("cat").arg(folder.path().join("in")).stdout(Stdio::piped()).spawn().unwrap();
    command.args(options).stdin(cat.stdout.take().unwrap());
    // It ends when it has written all, or when nobody reads any more.
    std::thread::spawn(move || {
        let _ = cat.wait();
        drop(folder);
    });
    command
}

#[cfg(unix)]
#[test]
fn standard_input_and_pipes() {
    let expected = expected();
    for (input, format) in [
        (csv().into_bytes(), "csv"),
        (csv().replace(',', "\t").into_bytes(), "tsv"),
        (jsonl().into_bytes(), "jsonl"),
        (jsonl().into_bytes(), "ndjson"),
        (format!("[{}]", ROWS.map(object).join(",")).into_bytes(), "json"),
        (gzip(csv().as_bytes()), "csv"),
        (zstd(jsonl().as_bytes()), "jsonl"),
    ] {
        assert_eq!(succeeds(&mut fed(&input, &["-", "--json", "--format", format])), expected, "{format}");
        let device = ["/dev/stdin", "--json", "--format", format];
        assert_eq!(succeeds(&mut fed(&input, &device)), expected, "{format}");
    }
    // Formats that are not read from start to end are copied first.
    for format in ["parquet", "safetensors"] {
        let file = data(&format!("pairs.{format}"));
        let whole = succeeds(score().arg(&file).arg("--json"));
        let bytes = fs::read(&file).unwrap();
        assert_eq!(succeeds(&mut fed(&bytes, &["-", "--json", "--format", format])), whole);
    }
    let refuses = |input: &[u8], options: &[&str], words: &[&str]| {
        let line = refused(&mut fed(input, options));
        assert!(words.iter().all(|word| line.contains(word)), "{words:?}: {line}");
    };
    refuses(csv().as_bytes(), &["-"], &["standard input: ", "--format"]);
    refuses(csv().as_bytes(), &["/dev/stdin"], &["/dev/stdin: ", "--format"]);
    refuses(b"", &["-", "--format", "csv"], &["standard input: is empty"]);
    refuses(b"x", &["-", "--format", "cvs"], &["cvs", "jsonl, json, csv, tsv, parquet, arrow, npz, npy, safetensors"]);
    refuses(csv().as_bytes(), &["-", "-", "--format", "csv"], &["twice"]);
    refuses(csv().replace("-28.5", "x").as_bytes(), &["-", "--format", "csv"], &["standard input: line 3, column"]);
    refuses(&fs::read(data("pairs.parquet")).unwrap(), &["-", "--format", "csv"], &["--format parquet"]);
    refuses(&fs::read(data("pairs.npz")).unwrap(), &["-", "--format", "npz"], &["a file is needed"]);
    // A named pipe.
    let folder = Folder::new();
    let pipe = folder.path("a.csv");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (to, text) = (pipe.clone(), csv());
    let writer = std::thread::spawn(move || fs::write(to, text).unwrap());
    assert_eq!(succeeds(score().arg(&pipe).arg("--json")), expected);
    writer.join().unwrap();
}

#[test]
fn endings_that_tell_nothing_get_a_hint() {
    let array = format!("[{}]", object(ROWS[0]));
    let binary = |format: &str| fs::read(data(&format!("pairs.{format}"))).unwrap();
    for (contents, format) in [
        (csv().into_bytes(), "csv"),
        (csv().replace(',', "\t").into_bytes(), "tsv"),
        (jsonl().into_bytes(), "jsonl"),
        (array.into_bytes(), "json"),
        (binary("parquet"), "parquet"),
        (binary("npz"), "npz"),
        (binary("safetensors"), "safetensors"),
    ] {
        for name in ["a.txt", "a", "a.dat"] {
            refuses(name, &contents, &[], &[&format!("--format {format}")]);
        }
        let folder = Folder::new();
        succeeds(score().arg(folder.write("a.txt", &contents)).args(["--format", format]));
    }
    refuses("a.txt", "lorem ipsum\n", &[], &["unknown ending .txt", ".jsonl", "--format"]);
    // An ending that tells what is not so.
    refuses("a.csv", jsonl(), &[], &["--format jsonl"]);
    refuses("a.csv", format!(" [{}]", object(ROWS[0])), &[], &["--format json"]);
    refuses("a.jsonl", csv(), &[], &["line 1", "--format csv"]);
    refuses("a.parquet", jsonl(), &[], &["--format jsonl"]);
    refuses("a.safetensors", binary("parquet"), &[], &["--format parquet"]);
    refuses("a.jsonl", binary("npz"), &[], &["--format npz"]);
    refuses("a.csv", "version https://git-lfs/spec/v1\noid sha256:00\n", &[], &["LFS"]);
    refuses("a.jsonl", "<!DOCTYPE html>\n<html></html>\n", &[], &["HTML"]);
    refuses("a.csv", b"\x93NUMPY\x01\0", &[], &["numpy"]);
}

#[test]
fn options_that_would_change_nothing() {
    let sequences = ["--policy", "a.safetensors", "--reference", "b.safetensors"];
    for (files, options, word) in [
        (&["a.jsonl"][..], &["--delimiter", ";"][..], "--delimiter"),
        (&["a.parquet"], &["--decimal-comma"], "--decimal-comma"),
        (&["a.csv", "b.npz"], &["--number-strings"], "--number-strings"),
        (&sequences, &["--format", "csv"], "--format"),
        (&sequences, &["--nulls", "skip"], "--nulls"),
        (&sequences, &["--tokens", "sum"], "--tokens"),
    ] {
        let line = refused(score().args(files).args(options));
        assert!(line.contains(word) && line.contains("no such file"), "{line}");
    }
    // One file that takes it is enough.
    let folder = Folder::new();
    let (a, b) = (folder.write("a.csv", csv().replace(',', ";")), folder.write("b.jsonl", jsonl()));
    assert_eq!(json(score().arg(a).arg(b).args(["--delimiter", ";"]))["pairs"], 6);
}

#[test]
fn what_is_read_only_is_not_written() {
    let folder = Folder::new();
    for (name, word) in [("o.json", ".jsonl"), ("o.tsv", ".csv"), ("o.csv.gz", "not written"), ("o.txt", ".parquet")] {
        let line = refused(score().arg(data("pairs.csv")).arg("--out").arg(folder.path(name)));
        assert!(line.contains(word), "{line}");
    }
    assert!(folder.names().is_empty());
}

/// Chunks end between rows, wherever the rows stand in what is read at once.
#[test]
fn files_of_many_chunks() {
    let folder = Folder::new();
    let rows = 150_000;
    let row = |i: usize| format!("{},{},-13.5,-13.25", -10.0 - (i % 97) as f64, -12.0 - (i % 89) as f64);
    let text = |i: usize| format!("\"row {i},\n\"\"{}\"\"\"", "x".repeat(i % 50));
    let plain: String = (0..rows).map(|i| row(i) + "\n").collect();
    let plain = succeeds(score().arg(folder.write("plain.csv", format!("{HEADER}\n{plain}"))).arg("--json"));
    assert!(plain.contains("\"pairs\": 150000"));
    let quoted: String = (0..rows).map(|i| format!("{},{}\n", text(i), row(i))).collect();
    let quoted = folder.write("quoted.csv", format!("prompt,{HEADER}\n{quoted}"));
    assert_eq!(succeeds(score().arg(quoted).arg("--json")), plain);
    let objects: Vec<_> = (0..rows).map(|i| object(&row(i))).collect();
    let array = folder.write("array.json", format!("[{}]", objects.join(",\n")));
    assert_eq!(succeeds(score().arg(array).arg("--json")), plain);
    let wrong = objects.join(",").replacen(&object(&row(140_000)), "{\"x\": 1}", usize::MAX);
    let first = (0..rows).find(|&i| row(i) == row(140_000)).unwrap() + 1;
    refuses("wrong.json", format!("[{wrong}]"), &[], &[&format!("row {first}: no column")]);
}

#[test]
fn help_tells_of_all_of_it() {
    let help = succeeds(score().arg("--help"));
    for word in [
        ".tsv",
        ".json ",
        ".gz",
        ".zst",
        "--format",
        "--delimiter",
        "--decimal-comma",
        "--number-strings",
        "NaN",
        "--tokens",
        "standard input",
    ] {
        assert!(help.contains(word), "{word:?} is missing in:\n{help}");
    }
}
