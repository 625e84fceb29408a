//! Files of lists of answers.

mod common;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{
    FixedSizeListBuilder, Float64Builder, LargeListBuilder, ListBuilder, ListViewBuilder, StringDictionaryBuilder,
};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use common::*;
use preflane::listed::{ListOutputs, ListScratch, Lists};
use preflane::losses::{Description, LOSSES, Shape};
use preflane::{ListedLoss, Run};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

fn losses() -> impl Iterator<Item = &'static Description> {
    LOSSES.iter().copied().filter(|loss| loss.shape == Shape::Listed)
}

/// The first loss of lists.
fn loss() -> [&'static str; 2] {
    ["--loss", losses().next().unwrap().name]
}

/// A list: the policy's numbers and the reference's.
type List = [Vec<f64>; 2];

/// The real data.
fn lists() -> Vec<List> {
    let list = |line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        ["policy_logps", "ref_logps"]
            .map(|name| row[name].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect())
    };
    fs::read_to_string(data("lists.jsonl")).unwrap().lines().map(list).collect()
}

/// One answer a row, as CSV with a group and a rank; `order` gives the rows of each list.
fn grouped(lists: &[List], order: impl Fn(usize) -> Vec<usize>) -> String {
    let mut text = "group,rank,policy_logps,ref_logps\n".to_owned();
    for (index, [policy, reference]) in lists.iter().enumerate() {
        for row in order(policy.len()) {
            let _ = writeln!(text, "p{index},{},{},{}", row + 1, policy[row], reference[row]);
        }
    }
    text
}

#[track_caller]
fn complains(file: &Path, options: &[&str], words: &[&str]) {
    common::complains(score().arg(file).args(loss()).args(options), words);
}

#[test]
fn golden() {
    let report = succeeds(score().arg(data("lists.jsonl")).args(loss()));
    assert_eq!(report, include_str!("golden/listed.txt"));
    assert!(report.lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn rows_have_the_bits_of_the_library() {
    for loss in losses() {
        let folder = Folder::new();
        let out = folder.path("out.parquet");
        let file = match loss.column {
            Some(column) => folder.write("lists.jsonl", lines(&lists(), column.name, &beside(loss, &lists()))),
            None => data("lists.jsonl"),
        };
        succeeds(score().arg(file).args(["--loss", loss.name]).arg("--out").arg(&out));
        let out = read_back(&out);
        assert_eq!(out.keys().collect::<Vec<_>>(), ["grad_logps", "list", "loss", "rewards"]);
        let defaults: Vec<f64> = loss.parameters.iter().map(|parameter| parameter.default).collect();
        let library = ListedLoss::new(loss, &defaults).unwrap();
        let mut row = 0;
        let columns = beside(loss, &lists());
        for (index, [policy, reference]) in lists().into_iter().enumerate() {
            let column: Vec<f32> = columns[index].iter().map(|x| *x as f32).collect();
            let [policy, reference] =
                [policy, reference].map(|x| x.into_iter().map(|x| x as f32).collect::<Vec<f32>>());
            let answers = policy.len();
            let (mut losses, mut rewards, mut gradients) = ([0.0], vec![0.0; answers], vec![0.0; answers]);
            let outputs = ListOutputs {
                losses: Some(&mut losses),
                rewards: Some(&mut rewards),
                grad_logps: Some(&mut gradients),
                ..ListOutputs::default()
            };
            let offsets = [0, answers];
            let column = loss.column.map(|_| &column[..]);
            let lists = Lists { column, ..Lists::new(&policy, &reference, &offsets) };
            Run::default()
                .evaluate_listed(&library, lists, outputs, None, &mut vec![ListScratch::default(); answers])
                .unwrap();
            for answer in 0..answers {
                let got = ["list", "loss", "rewards", "grad_logps"].map(|name| out[name][row].to_bits());
                let expected = [(index + 1) as f32, losses[0], rewards[answer], gradients[answer]];
                assert_eq!(got, expected.map(f32::to_bits));
                row += 1;
            }
        }
        assert_eq!(row, out["loss"].len());
    }
}

/// Numbers of the grid of what a loss takes of each answer, in turn.
fn beside(loss: &Description, lists: &[List]) -> Vec<Vec<f64>> {
    let grid = loss.column.map_or(&[0.0][..], |column| column.grid);
    let of = |(at, list): (usize, &List)| (at..at + list[0].len()).map(|i| grid[i % grid.len()]).collect();
    lists.iter().enumerate().map(of).collect()
}

/// A list a line, with another column.
fn lines(lists: &[List], name: &str, columns: &[Vec<f64>]) -> String {
    let line = |([policy, reference], column): (&List, &Vec<f64>)| {
        format!("{{\"policy_logps\": {policy:?}, \"ref_logps\": {reference:?}, \"{name}\": {column:?}}}\n")
    };
    lists.iter().zip(columns).map(line).collect()
}

/// What a loss takes of each answer goes with the answer, in every form; what is wrong with it is said where it stands.
#[test]
fn columns_beside_log_probabilities() {
    let folder = Folder::new();
    let (lists, nca) = (lists(), preflane::losses::find("nca").unwrap());
    let columns = beside(nca, &lists);
    let out = folder.path("out.csv");
    let run = |file: &Path, options: &[&str]| {
        let mut got = json(score().arg(file).args(["--loss", "nca"]).args(options).arg("--out").arg(&out));
        got.retain(|name, _| !name.ends_with("margins"));
        (got, fs::read(&out).unwrap())
    };
    let first = run(&folder.write("a.jsonl", lines(&lists, "reward", &columns)), &[]);
    let other = folder.write("b.jsonl", lines(&lists, "r", &columns));
    assert_eq!(run(&other, &["--column", "r"]), first);
    // Rows of a group, from the worst to the best: by their ranks they are the same lists.
    let rows = |name: &str| {
        let mut text = format!("group,rank,policy_logps,ref_logps,{name}\n");
        for (index, ([policy, reference], column)) in lists.iter().zip(&columns).enumerate() {
            for row in (0..policy.len()).rev() {
                let _ = writeln!(text, "p{index},{},{},{},{}", row + 1, policy[row], reference[row], column[row]);
            }
        }
        text
    };
    let file = folder.write("ranked.csv", rows("reward"));
    assert_eq!(run(&file, &["--group", "group", "--rank", "rank"]).0, first.0);
    let flat = |column: &mut dyn FnMut(usize) -> Vec<f64>| (0..lists.len()).flat_map(column).collect::<Vec<f64>>();
    let flat =
        [flat(&mut |i| lists[i][0].clone()), flat(&mut |i| lists[i][1].clone()), flat(&mut |i| columns[i].clone())];
    let numbers: Vec<i64> = (0..lists.len()).flat_map(|i| vec![i as i64; lists[i][0].len()]).collect();
    let float = |k: usize| Arc::new(arrow_array::Float64Array::from(flat[k].clone())) as ArrayRef;
    let group: ArrayRef = Arc::new(Int64Array::from(numbers));
    let arrays = vec![("group", group), ("policy_logps", float(0)), ("ref_logps", float(1)), ("reward", float(2))];
    for file in write(&folder, "columns", arrays) {
        assert_eq!(run(&file, &["--group", "group"]), first, "{}", file.display());
    }

    let fails =
        |file: &Path, options: &[&str], words: &[&str]| common::complains(score().arg(file).args(options), words);
    fails(&other, &["--loss", "nca"], &["reward", "--column names another"]);
    fails(&other, &["--loss", "s_dpo", "--column", "x"], &["--loss s_dpo: takes nothing beside log-probabilities"]);
    let mut wrong = columns.clone();
    wrong[1][0] = 0.5;
    let file = folder.write("wrong.jsonl", lines(&lists, "right", &wrong));
    fails(&file, &["--loss", "real"], &["wrong.jsonl", "line ", "right", "it must be 1 or 0"]);
    // Lists of one side alone have nothing to compare.
    let sides: Vec<Vec<f64>> = columns.iter().map(|column| vec![1.0; column.len()]).collect();
    let file = folder.write("sides.jsonl", lines(&lists, "right", &sides));
    let got = json(score().arg(&file).args(["--loss", "real"]));
    assert_eq!((&got["uncompared"], &got["loss"]), (&got["lists"], &0.0.into()));
}

/// The lists as arrays of two of Arrow's types, a list a row.
fn list_arrays(lists: &[List]) -> Vec<[ArrayRef; 2]> {
    let values = |model: usize| lists.iter().map(move |list| list[model].iter().map(|x| Some(*x)).collect::<Vec<_>>());
    macro_rules! arrays {
        ($builder:expr) => {
            [0, 1].map(|model| {
                let mut builder = $builder;
                values(model).for_each(|list| builder.append_value(list));
                Arc::new(builder.finish()) as ArrayRef
            })
        };
    }
    vec![
        arrays!(ListBuilder::new(Float64Builder::new())),
        arrays!(LargeListBuilder::new(Float64Builder::new())),
        arrays!(ListViewBuilder::new(Float64Builder::new())),
    ]
}

fn write(folder: &Folder, name: &str, columns: Vec<(&str, ArrayRef)>) -> [PathBuf; 2] {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let (arrow, parquet) = (folder.path(&format!("{name}.arrow")), folder.path(&format!("{name}.parquet")));
    let mut writer = arrow_ipc::writer::FileWriter::try_new(File::create(&arrow).unwrap(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let is_view = batch.columns().iter().any(|column| column.data_type().to_string().contains("View"));
    if is_view {
        return [arrow.clone(), arrow];
    }
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(File::create(&parquet).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    [arrow, parquet]
}

fn npy(descr: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), bytes].concat()
}

fn npz(folder: &Folder, name: &str, arrays: &[(&str, Vec<u8>)]) -> PathBuf {
    let path = folder.path(name);
    let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
    for (name, array) in arrays {
        zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(array).unwrap();
    }
    zip.finish().unwrap();
    path
}

fn bytes(values: impl IntoIterator<Item = f64>) -> Vec<u8> {
    values.into_iter().flat_map(f64::to_le_bytes).collect()
}

/// The same lists in every form: rows of the output and means are the same.
#[test]
fn every_form_gives_the_same_bytes() {
    let folder = Folder::new();
    let out = folder.path("out.csv");
    let run = |file: &Path, options: &[&str]| {
        let mut got = json(score().arg(file).args(loss()).args(options).arg("--out").arg(&out));
        // Rows are answers in one form and lists in the other.
        got.retain(|name, _| !name.ends_with("margins"));
        (got, fs::read(&out).unwrap())
    };
    let lists = lists();
    let first = run(&data("lists.jsonl"), &[]);
    let text = |values: &[f64]| format!("\"{values:?}\"");
    let csv: String = lists.iter().map(|[a, b]| format!("{},{}\n", text(a), text(b))).collect();
    let csv = folder.write("lists.csv", format!("policy_logps,ref_logps\n{csv}"));
    assert_eq!(run(&csv, &[]), first);
    for (index, [policy, reference]) in list_arrays(&lists).into_iter().enumerate() {
        let columns = vec![("policy_logps", policy), ("ref_logps", reference)];
        for file in write(&folder, &format!("lists{index}"), columns) {
            assert_eq!(run(&file, &[]), first, "{}", file.display());
        }
    }

    // One answer a row.
    let group = ["--group", "group"];
    let in_order = grouped(&lists, |answers| (0..answers).collect());
    assert_eq!(run(&folder.write("groups.csv", &in_order), &group), first);
    let ranked = run(&folder.write("ranked.csv", &in_order), &["--group", "group", "--rank", "rank"]);
    assert_eq!(ranked, first);
    let columns = ["policy_logps", "ref_logps"];
    let flat = |model: usize| lists.iter().flat_map(move |list| list[model].clone());
    let names: Vec<String> =
        lists.iter().enumerate().flat_map(|(i, list)| vec![format!("p{i}"); list[0].len()]).collect();
    let mut dictionary = StringDictionaryBuilder::<arrow_array::types::Int8Type>::new();
    names.iter().for_each(|name| dictionary.append_value(name));
    // Beyond what an f32 tells apart.
    let numbers: Vec<i64> = names.iter().map(|name| (1 << 60) + name[1..].parse::<i64>().unwrap()).collect();
    let groups: [ArrayRef; 3] = [
        Arc::new(StringArray::from(names.clone())),
        Arc::new(dictionary.finish()),
        Arc::new(Int64Array::from(numbers.clone())),
    ];
    for (index, array) in groups.into_iter().enumerate() {
        let float = |model| Arc::new(arrow_array::Float64Array::from_iter_values(flat(model))) as ArrayRef;
        let columns = vec![("group", array), ("policy_logps", float(0)), ("ref_logps", float(1))];
        for file in write(&folder, &format!("groups{index}"), columns) {
            assert_eq!(run(&file, &group), first, "{}", file.display());
        }
    }
    let shape = format!("({},)", names.len());
    let width = 4;
    let letters: Vec<u8> = (names.iter())
        .flat_map(|name| (0..width).flat_map(|i| u32::from(name.as_bytes().get(i).copied().unwrap_or(0)).to_le_bytes()))
        .collect();
    let raw: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    for (name, descr, group_bytes) in [("text.npz", "<U4", &letters), ("numbers.npz", "<i8", &raw)] {
        let mut arrays = vec![("group", npy(descr, &shape, group_bytes))];
        arrays.extend(columns.iter().enumerate().map(|(i, name)| (*name, npy("<f8", &shape, &bytes(flat(i))))));
        assert_eq!(run(&npz(&folder, name, &arrays), &group), first, "{name}");
    }
    let flat_bytes = [bytes(flat(0)), bytes(flat(1))];
    let mut tensors = vec![("group", TensorView::new(Dtype::I64, vec![names.len()], &raw).unwrap())];
    for (name, bytes) in columns.iter().zip(&flat_bytes) {
        tensors.push((*name, TensorView::new(Dtype::F64, vec![names.len()], bytes).unwrap()));
    }
    let file = folder.write("groups.safetensors", safetensors::serialize(tensors, None).unwrap());
    assert_eq!(run(&file, &group), first);
    // Of the file, answers in any order have the results of their rank.
    let file = folder.write("reversed.csv", grouped(&lists, |answers| (0..answers).rev().collect()));
    let (got, _) = run(&file, &["--group", "group", "--rank", "rank"]);
    assert_eq!(got, first.0);
    let reversed = read_csv(&out);
    let ends: Vec<usize> =
        lists.iter().scan(0, |end, list| Some(std::mem::replace(end, *end + list[0].len()))).collect();
    assert_eq!(run(&data("lists.jsonl"), &[]), first);
    let plain = read_csv(&out);
    for (start, [policy, _]) in ends.into_iter().zip(&lists) {
        for answer in 0..policy.len() {
            assert_eq!(reversed[start + answer], plain[start + policy.len() - 1 - answer]);
        }
    }
}

/// The lines of a CSV file.
fn read_csv(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().skip(1).map(str::to_owned).collect()
}

/// Lists of one length as the rows of a matrix.
#[test]
fn matrices() {
    let folder = Folder::new();
    let lists: Vec<List> = lists().into_iter().filter(|list| list[0].len() == 3).collect();
    let lines: String =
        lists.iter().map(|[a, b]| format!("{{\"policy_logps\": {a:?}, \"ref_logps\": {b:?}, \"w\": 2}}\n")).collect();
    let first = succeeds(score().arg(folder.write("a.jsonl", lines)).args(loss()).args(["--weights", "w"]));
    let (n, flat) = (lists.len(), |model: usize| bytes(lists.iter().flat_map(move |list| list[model].clone())));
    let (shape, weights) = (format!("({n}, 3)"), bytes(vec![2.0; n]));
    let arrays = [
        ("policy_logps", npy("<f8", &shape, &flat(0))),
        ("ref_logps", npy("<f8", &shape, &flat(1))),
        ("w", npy("<f8", &format!("({n},)"), &weights)),
    ];
    let file = npz(&folder, "a.npz", &arrays);
    assert_eq!(succeeds(score().arg(file).args(loss()).args(["--weights", "w"])), first);
    let [policy, reference] = [flat(0), flat(1)];
    let tensor = |shape: Vec<usize>, bytes| TensorView::new(Dtype::F64, shape, bytes).unwrap();
    let tensors = |width| {
        [
            ("policy_logps", tensor(vec![n, 3], &policy)),
            ("ref_logps", tensor(vec![n, width], &reference[..8 * n * width])),
            ("w", tensor(vec![n], &weights)),
        ]
    };
    let file = folder.write("a.safetensors", safetensors::serialize(tensors(3), None).unwrap());
    assert_eq!(succeeds(score().arg(&file).args(loss()).args(["--weights", "w"])), first);
    let file = folder.write("b.safetensors", safetensors::serialize(tensors(2), None).unwrap());
    complains(&file, &[], &["column policy_logps has 3 numbers a row, column ref_logps has 2"]);
    let mut fortran = arrays[0].1.clone();
    let at = fortran.windows(5).position(|bytes| bytes == b"False").unwrap();
    fortran.splice(at..at + 5, *b"True ");
    let file = npz(&folder, "f.npz", &[("policy_logps", fortran), arrays[1].clone()]);
    complains(&file, &[], &["f.npz: column policy_logps is in the order of Fortran"]);
    // Lists of a fixed length are lists.
    let column = |model: usize| {
        let mut builder = FixedSizeListBuilder::new(Float64Builder::new(), 3);
        for list in &lists {
            builder.values().append_slice(&list[model]);
            builder.append(true);
        }
        Arc::new(builder.finish()) as ArrayRef
    };
    let weights: ArrayRef = Arc::new(arrow_array::Float64Array::from(vec![2.0; n]));
    let columns = vec![("policy_logps", column(0)), ("ref_logps", column(1)), ("w", weights)];
    for file in write(&folder, "fixed", columns) {
        assert_eq!(succeeds(score().arg(&file).args(loss()).args(["--weights", "w"])), first, "{}", file.display());
    }
}

/// Chunks end within lists of one answer a row, and never within those of one list a row.
#[test]
fn more_rows_than_a_chunk() {
    let folder = Folder::new();
    let lengths = || (0..22_000_usize).map(|list| 1 + list % 5);
    let (mut rows, mut lines, mut state) = ("g,policy_logps,ref_logps\n".to_owned(), String::new(), 1_u32);
    for (list, answers) in lengths().enumerate() {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            -f64::from(state >> 20) / 16.0
        };
        let [policy, reference] = [(); 2].map(|()| (0..answers).map(|_| next()).collect::<Vec<f64>>());
        for answer in 0..answers {
            let _ = writeln!(rows, "{list},{},{}", policy[answer], reference[answer]);
        }
        let _ = writeln!(lines, "{{\"policy_logps\": {policy:?}, \"ref_logps\": {reference:?}}}");
    }
    let (rows, lines) = (folder.write("rows.csv", rows), folder.write("lines.jsonl", lines));
    let run = |file: &Path, options: &[&str], out: &str| {
        let out = folder.path(out);
        let got = json(score().arg(file).args(loss()).args(options).arg("--out").arg(&out));
        (got["loss"].clone(), got["lists"].clone(), fs::read(out).unwrap())
    };
    assert_eq!(run(&rows, &["--group", "g"], "a.csv"), run(&lines, &[], "b.csv"));
}

#[test]
fn lists_that_are_none() {
    let folder = Folder::new();
    let line = |policy: &str, reference: &str| format!("{{\"policy_logps\": {policy}, \"ref_logps\": {reference}}}\n");
    let fine = line("[-1.5, -2.5]", "[-1, -2]");
    for (policy, reference, words) in [
        ("[-1, -2, -3]", "[-1, -2]", "column ref_logps: a list of 2, where policy_logps has 3; one number an answer"),
        ("[]", "[]", "column policy_logps: a list without an answer"),
        ("-1", "[-1]", "column policy_logps: \"-1\" is no list; a list of numbers a row is needed"),
        ("[-1, \"x\"]", "[-1, -2]", "column policy_logps: position 1 (from 0) of the list: \"x\" is text"),
        ("[[-1], [-2]]", "[-1, -2]", "column policy_logps: position 0 (from 0) of the list: a list or an object"),
        ("[-1, null]", "[-1, -2]", "column policy_logps: no value (null or empty)"),
        ("[-1, -2]", "null", "column ref_logps: no value (null or empty)"),
    ] {
        let text = fine.clone() + &line(policy, reference) + &fine;
        let file = folder.write("bad.jsonl", &text);
        complains(&file, &[], &["bad.jsonl: line 2, ", words]);
        if words.ends_with("empty)") {
            let got = json(score().arg(&file).args(loss()).args(["--nulls", "skip"]));
            assert_eq!((&got["lists"], &got["skipped"]), (&2.into(), &1.into()));
            let got = json(score().arg(&file).args(loss()).args(["--nulls", "nan"]));
            assert_eq!(
                (&got["lists"], &got["nonfinite"], &got["findings"][0]["rows"]),
                (&3.into(), &1.into(), &serde_json::json!([2]))
            );
        }
        let csv = format!(
            "policy_logps,ref_logps\n\"[-1, -2]\",\"[-1, -2]\"\n\"{}\",\"{reference}\"\n",
            policy.replace('"', "\"\"")
        );
        if !policy.contains("\"x\"") {
            complains(&folder.write("bad.csv", csv), &[], &["bad.csv: line 3, "]);
        }
    }
    for (index, arrays) in
        list_arrays(&[[vec![-1.0, -2.0], vec![-1.0, -2.0]], [vec![-1.0, -2.0], vec![-1.0]]]).into_iter().enumerate()
    {
        let [policy, reference] = arrays;
        for file in write(&folder, &format!("bad{index}"), vec![("policy_logps", policy), ("ref_logps", reference)]) {
            complains(&file, &[], &["row 2, column ref_logps: a list of 1, where policy_logps has 2"]);
        }
    }
    for format in FORMATS {
        let words = if ["csv", "jsonl"].contains(&format) { "is no list" } else { "a list of numbers a row is needed" };
        let options = ["--policy-logps", "policy_chosen_logps", "--ref-logps", "ref_chosen_logps"];
        complains(&data(&format!("pairs.{format}")), &options, &["column policy_chosen_logps", words, "--group NAME"]);
    }
    complains(&data("lists.jsonl"), &["--tokens", "sum"], &["--tokens", "a row is a list of answers", "--group"]);
    complains(&data("lists.jsonl"), &["--label", "x"], &["--label is for losses of labelled answers"]);
}

#[test]
fn groups_and_ranks_that_are_none() {
    let folder = Folder::new();
    let group = ["--group", "g", "--rank", "r", "--weights", "w"];
    let fine = "1,1,-1,-1,2\n1,2,-2,-2,2\n";
    for (rows, words) in [
        ("2,1,-1,-1,1\n1,3,-1,-1,2\n", "line 5, column g: its list ended before"),
        ("2,1,-1,-1,1\n2,1,-2,-2,1\n", "line 5, column r: rank 1.0 stands twice in its list"),
        ("2,1,-1,-1,1\n2,nan,-2,-2,1\n", "line 5, column r: nan; a rank is a finite number"),
        ("2,1,-1,-1,1\n2,2,-2,-2,3\n", "line 5, column w: 3.0, but 1.0 before in its list"),
        ("2,1,-1,-1,-1\n2,2,-2,-2,-1\n", "line 4, column w: -1.0; a weight must be finite"),
        ("2,1,-1,-1,1\n,2,-2,-2,1\n", "line 5, column g: no value (null or empty) to tell its list by"),
        ("2,1,-1,-1,1\n2,2,x,-2,1\n", "line 5, column policy_logps: \"x\" is not a number"),
    ] {
        let file = folder.write("bad.csv", format!("g,r,policy_logps,ref_logps,w\n{fine}{rows}"));
        complains(&file, &group, &["bad.csv: ", words]);
    }
    complains(&data("lists.jsonl"), &["--group", "policy_logps"], &["--policy-logps and --group both name"]);
    complains(
        &data("pairs.parquet"),
        &[
            "--group",
            "policy_chosen_logps",
            "--policy-logps",
            "policy_rejected_logps",
            "--ref-logps",
            "ref_chosen_logps",
        ],
        &["column policy_chosen_logps holds", "text or integers are needed"],
    );
    // Each file has lists of its own, and tokens are added up.
    let a = folder.write("a.jsonl", "{\"g\": \"x\", \"policy_logps\": [null, -1, -1], \"ref_logps\": [-1]}\n{\"g\": \"x\", \"policy_logps\": [-3], \"ref_logps\": [-1]}\n");
    let b = folder.write("b.jsonl", "{\"g\": \"x\", \"policy_logps\": [-1], \"ref_logps\": [-1]}\n");
    let got = json(score().args([&a, &b]).args(loss()).args(["--group", "g", "--tokens", "sum"]));
    assert_eq!((&got["lists"], &got["answers"], f32_of(&got["logps/chosen"])), (&2.into(), &3.into(), -1.5));
    assert!(
        got["findings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|found| found["code"] == "single_answers" && found["count"] == 1)
    );
}

#[test]
fn what_to_watch() {
    let folder = Folder::new();
    let lists = lists();
    let codes = |lists: &[List], options: &[&str]| -> Vec<String> {
        let file = folder.write("a.csv", grouped(lists, |answers| (0..answers).collect()));
        let got = json(score().arg(&file).args(loss()).args(["--group", "group"]).args(options));
        let report = succeeds(score().arg(&file).args(loss()).args(["--group", "group"]).args(options));
        assert!(report.lines().all(|line| line.chars().count() <= 80), "{report}");
        got["findings"].as_array().unwrap().iter().map(|found| found["code"].as_str().unwrap().to_owned()).collect()
    };
    let none: [&str; 0] = [];
    assert_eq!(codes(&lists, &[]), none);
    let reversed: Vec<List> = lists.iter().map(|list| list.clone().map(|x| x.into_iter().rev().collect())).collect();
    assert!(codes(&reversed, &[]).contains(&"rejected_preferred".to_owned()));
    let mut single = lists.clone();
    single[4].iter_mut().for_each(|x| x.truncate(1));
    assert_eq!(codes(&single, &[]), ["single_answers"]);
    let mut bad = lists.clone();
    bad[4][0][1] = f64::NAN;
    assert_eq!(codes(&bad, &[]), ["not_finite"]);
    // Answers of one list that is a row are told by one row.
    let text = fs::read_to_string(data("lists.jsonl")).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1] = "{\"policy_logps\": [-20.5, -30.25, -41.75], \"ref_logps\": [0, -31.5, 0]}";
    let got = json(score().arg(folder.write("zero.jsonl", lines.join("\n") + "\n")).args(loss()));
    let found = &got["findings"][0];
    assert_eq!((&found["code"], &found["count"]), (&"reference_zero".into(), &2.into()));
    assert_eq!(found["rows"], serde_json::json!([2]));
    assert!(found["headline"].as_str().unwrap().ends_with("in 2 answers of 90 (2.2 %): row 2"), "{found}");
    let mut zero = lists.clone();
    zero.iter_mut().for_each(|list| list[1].fill(0.0));
    assert!(codes(&zero, &[]).contains(&"reference_all_zero".to_owned()));
    assert!(codes(&lists, &["--beta", "5"]).contains(&"gradient_vanished".to_owned()));
}

#[test]
fn lists_that_are_not_finite_are_measured_apart() {
    let (folder, mut lists) = (Folder::new(), lists());
    lists[3][0][1] = f64::INFINITY;
    let in_order = |answers| (0..answers).collect();
    let bad = folder.write("bad.csv", grouped(&lists, in_order));
    let first: usize = lists[..3].iter().map(|list| list[0].len()).sum::<usize>() + 1;
    lists.remove(3);
    let fine = folder.write("fine.csv", grouped(&lists, in_order));
    let [bad, fine] = [bad, fine].map(|file| json(score().arg(file).args(loss()).args(["--group", "group"])));
    assert_eq!((&bad["nonfinite"], &bad["findings"][0]["rows"]), (&1.into(), &serde_json::json!([first])));
    for (name, value) in bad["finite"].as_object().unwrap() {
        assert_eq!(value, &fine[name], "{name}");
    }
}
