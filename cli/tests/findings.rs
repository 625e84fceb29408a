//! What `preflane score` finds in data, row by row, and what it must not find.

mod common;
#[path = "common/tensors.rs"]
mod tensors;

use std::fs;

use common::*;
use preflane::losses::Description;
use preflane::{Loss, evaluate_pair};
use tensors::{Random, Tensor, file};

const HEADER: &str = "policy_chosen_logps,policy_rejected_logps,ref_chosen_logps,ref_rejected_logps";

type Row = [f64; 4];

/// Values that nothing is to be said of.
struct Normal(Random);

impl Normal {
    fn new(seed: u64) -> Self {
        Self(Random(seed))
    }

    fn unit(&mut self) -> f64 {
        (self.0.bits() as f64 + 0.5) / (1_u64 << 31) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (2.0 * std::f64::consts::PI * self.unit()).cos()
    }

    /// Answers of some ten to some hundred tokens; the policy prefers the chosen one a little.
    fn row(&mut self) -> Row {
        let (chosen, rejected) = (-60.0 * (0.6 * self.normal()).exp(), -60.0 * (0.6 * self.normal()).exp());
        [chosen + 2.0 + 2.0 * self.normal(), rejected + 2.0 * self.normal(), chosen, rejected].map(|x| x.min(-0.01))
    }

    fn rows(&mut self, count: usize) -> Vec<Row> {
        (0..count).map(|_| self.row()).collect()
    }
}

fn csv(rows: &[Row]) -> String {
    let lines = rows.iter().map(|row| row.map(|x| (x as f32).to_string()).join(","));
    std::iter::once(HEADER.to_owned()).chain(lines).map(|line| line + "\n").collect()
}

/// A finding's code, how many rows it is about, and the first of them.
type Found = (String, u64, Vec<u64>);

fn all_found(json: &serde_json::Map<String, serde_json::Value>) -> Vec<Found> {
    (json["findings"].as_array().unwrap().iter())
        .map(|finding| {
            assert!(!finding["headline"].as_str().unwrap().is_empty());
            assert!(!finding["advice"].as_str().unwrap().is_empty());
            let rows = finding["rows"].as_array().unwrap().iter().map(|row| row.as_u64().unwrap()).collect();
            (finding["code"].as_str().unwrap().to_owned(), finding["count"].as_u64().unwrap(), rows)
        })
        .collect()
}

#[track_caller]
fn of_rows(rows: &[Row], options: &[&str]) -> Vec<Found> {
    let folder = Folder::new();
    let input = folder.write("a.csv", csv(rows));
    let report = succeeds(score().arg(&input).args(options));
    assert!(report.lines().all(|line| line.chars().count() <= 80), "{report}");
    all_found(&json(score().arg(&input).args(options)))
}

/// What is found beside what is found in the same data anyway.
#[track_caller]
fn beyond(rows: &[Row], plain: &[Row], options: &[&str]) -> Vec<Found> {
    let plain: Vec<_> = of_rows(plain, options).into_iter().map(|(code, ..)| code).collect();
    of_rows(rows, options).into_iter().filter(|(code, ..)| !plain.contains(code)).collect()
}

fn code(code: &str, count: u64, rows: &[u64]) -> Found {
    (code.to_owned(), count, rows.to_vec())
}

#[test]
fn nothing_in_ordinary_data() {
    for (seed, count) in [(1, 100), (2, 1000), (3, 20_000)] {
        for found in of_rows(&Normal::new(seed).rows(count), &[]) {
            assert_eq!(found.0, "displacement", "{count} rows");
        }
    }
    // 300 real pairs, in any order, and any 40 of them.
    let text = fs::read_to_string(data("pairs.csv")).unwrap();
    let (header, lines) = text.split_once('\n').unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    let folder = Folder::new();
    for step in [1, 7, 77, 299] {
        let permuted: Vec<&str> = (0..lines.len()).map(|i| lines[i * step % lines.len()]).collect();
        let part = folder.write("part.csv", format!("{header}\n{}\n", permuted[..40].join("\n")));
        if step == 1 {
            assert!(all_found(&json(score().arg(part))).iter().all(is_usual));
        }
        let text = format!("{header}\n{}\n", permuted.join("\n"));
        let plain = folder.write("whole.csv", &text);
        for loss in pair_losses().filter(|loss| loss.reference) {
            let input = loss
                .column
                .map_or(plain.clone(), |column| folder.write("column.csv", csv_and(column.name, &[0.0], &text)));
            for found in all_found(&json(score().arg(input).args(["--loss", loss.name]))) {
                // One real pair has a margin of 137: where the loss grows faster than that, it outweighs the others.
                let steep = grows(loss) && ["outlier", "not_finite"].contains(&found.0.as_str());
                let sums = loss.formula.contains("token means") && found.0 == "sums_for_means";
                assert!(is_usual(&found) || steep || sums, "{}: {found:?}", loss.name);
            }
        }
    }
}

/// Scores, values and similarities may be above 0, whole or exactly 0: nothing is said of that, as it is of log-probabilities.
#[test]
fn scores_are_no_logps() {
    let folder = Folder::new();
    let pairs = "policy_chosen_logps,policy_rejected_logps\n2.5,-0.5\n1,-1\n0,-1.25\n-1,-1.75\n".to_owned();
    let answers = "policy_logps,label\n2.5,1\n1,0\n0,1\n-1,0\n".to_owned();
    let column = |loss: &Description, text: &str| match loss.column {
        Some(column) => csv_and(column.name, &[0.0], text),
        None => text.to_owned(),
    };
    let of = |name: &str, text: &str| {
        let loss = preflane::losses::find(name).unwrap();
        let file = folder.write("scores.csv", column(loss, text));
        all_found(&json(score().arg(file).args(["--loss", name])))
    };
    let codes = ["positive_logps", "policy_zero", "stand_in"];
    for (name, text) in [("reward_model", &pairs), ("iql", &pairs), ("cpl", &pairs), ("siglip", &answers)] {
        let found = of(name, text);
        assert!(found.iter().all(|(code, ..)| !codes.contains(&code.as_str())), "{name}: {found:?}");
    }
    assert!(of("slic", &pairs).iter().any(|(code, ..)| code == "positive_logps"));
}

/// Of a loss that is flat where an answer is entirely wrong, a gradient that vanished does not say that a pair is solved.
#[test]
fn a_vanished_gradient_of_a_wrong_pair() {
    let folder = Folder::new();
    let file = folder.write("wrong.csv", format!("{HEADER}\n{}", "-900.5,-10.25,-100.5,-200.25\n".repeat(9)));
    let of = |loss: &str| {
        let text = succeeds(score().arg(&file).args(["--loss", loss]));
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(of("exo_pair").contains("or so wrong that it gives them up"), "{}", of("exo_pair"));
    assert!(!of("dpo").contains("has vanished"), "{}", of("dpo"));
}

/// What is found in all data.
fn is_usual(found: &(String, u64, Vec<u64>)) -> bool {
    ["displacement", "gradient_vanished"].contains(&found.0.as_str())
}

/// Whether the loss grows faster than the log-ratio of an answer.
fn grows(loss: &Description) -> bool {
    let evaluated = Loss::new(loss, &loss.defaults()).unwrap();
    let slope = |x: f32, y: f32| evaluate_pair(&evaluated, x, y, None).grad_chosen_logps.abs();
    let is_limited = |[near, far]: [f32; 2]| far.is_finite() && far <= 2.0 * near;
    ![[-1e3, -1e5], [1e3, 1e5]].into_iter().all(|[near, far]| is_limited([slope(near, 0.0), slope(far, 0.0)]))
}

#[test]
fn references_of_0() {
    let plain = Normal::new(5).rows(200);
    let mut rows = plain.clone();
    for row in (0..200).step_by(20) {
        (rows[row][2], rows[row][3]) = (0.0, if row == 40 { rows[row][3] } else { -0.0 });
    }
    let found = beyond(&rows, &plain, &[]);
    assert_eq!(found[0], code("reference_zero", 10, &[1, 21, 41, 61, 81]));
    // The policy is below 0.
    assert!(found[1..].iter().all(|(code, ..)| code == "displacement"), "{found:?}");
    assert_eq!(beyond(&rows, &plain, &["--reference-free"]), []);
    // Either model, either answer, one row.
    for (column, name) in ["policy_zero", "policy_zero", "reference_zero", "reference_zero"].into_iter().enumerate() {
        let mut rows = plain.clone();
        rows[9][column] = 0.0;
        let found = beyond(&rows, &plain, &[]);
        assert!(found.contains(&code(name, 1, &[10])), "{found:?}");
    }
    let mut rows = plain.clone();
    rows.iter_mut().for_each(|row| row[2] = 0.0);
    let found = beyond(&rows, &plain, &[]);
    assert!(found.contains(&code("reference_all_zero", 200, &[])), "{found:?}");
    assert!(found.iter().all(|(code, ..)| code != "reference_zero"), "{found:?}");
}

#[test]
fn numbers_that_stand_for_something_else() {
    let plain = Normal::new(6).rows(200);
    let values = [-9999.0, -1e4, -1e9, -65504.0, -99999.0, -1e30, f64::from(f32::MIN), -3.389_531_4e38];
    for (i, value) in values.into_iter().enumerate() {
        let mut rows = plain.clone();
        (rows[3][i % 4], rows[150][i % 4]) = (value, value);
        let found = beyond(&rows, &plain, &[]);
        assert!(found.contains(&code("stand_in", 2, &[4, 151])), "{value}, {}: {found:?}", i % 4);
        // In both models of a row the margin does not show it.
        let mut rows = plain.clone();
        (rows[7][i % 2], rows[7][2 + i % 2]) = (value, value);
        assert_eq!(beyond(&rows, &plain, &[]), [code("stand_in", 1, &[8])], "{value}");
    }
    // Among numbers of its size it takes more than one, and more than chance.
    let mut rows: Vec<Row> = plain.iter().map(|row| row.map(|x| 150.0 * x)).collect();
    let plain = rows.clone();
    rows[5][1] = -9999.0;
    assert_eq!(beyond(&rows, &plain, &[]), []);
    for row in [5, 25, 45, 65, 85, 105, 125, 145, 165, 185] {
        (rows[row][1], rows[row][3]) = (-9999.0, -9999.0);
    }
    assert_eq!(beyond(&rows, &plain, &[]), [code("stand_in", 10, &[6, 26, 46, 66, 86])]);
    // What is small stands for something else only where it recurs, and where numbers are hardly ever whole.
    let plain = Normal::new(6).rows(200);
    let whole: Vec<Row> = plain.iter().map(|row| row.map(|x| x.round().min(-1.0))).collect();
    assert!(of_rows(&whole, &[]).iter().all(|(code, ..)| code != "stand_in"));
    for value in [-1.0, -100.0, -1000.0] {
        let mark = |rows: &mut Vec<Row>, count: usize| {
            (0..count).for_each(|i| rows[10 * i][2] = value);
            rows.clone()
        };
        let found = beyond(&mark(&mut plain.clone(), 2), &plain, &[]);
        assert!(found.iter().all(|(code, ..)| code != "stand_in") || value == -1000.0, "{value}: {found:?}");
        let found = beyond(&mark(&mut plain.clone(), 4), &plain, &[]);
        assert!(found.contains(&code("stand_in", 4, &[1, 11, 21, 31])), "{value}: {found:?}");
        let found = beyond(&mark(&mut whole.clone(), 4), &whole, &[]);
        assert!(found.iter().all(|(code, ..)| code != "stand_in") || value == -1000.0, "{value}: {found:?}");
    }
}

#[test]
fn far_below_all_others() {
    let plain = Normal::new(7).rows(200);
    let mut rows = plain.clone();
    (rows[11][1], rows[11][3]) = (-123_456.5, -123_456.5);
    let found = beyond(&rows, &plain, &[]);
    assert_eq!(found, [code("far_below", 1, &[12]), code("far_below", 1, &[12])]);
    // A long answer.
    (rows[11][1], rows[11][3]) = (-1500.5, -1500.5);
    assert_eq!(beyond(&rows, &plain, &[]), []);
}

#[test]
fn rows_that_carry_the_mean() {
    let plain = Normal::new(8).rows(200);
    let mut rows = plain.clone();
    rows[3][0] -= 4321.5;
    let found = beyond(&rows, &plain, &[]);
    assert!(found.contains(&code("outlier", 1, &[4])), "{found:?}");
    let folder = Folder::new();
    let report = succeeds(score().arg(folder.write("a.csv", csv(&rows))));
    assert!(report.contains("Row 4 carries the mean margin and loss"), "{report}");
    rows[77][0] -= 4000.5;
    let found = beyond(&rows, &plain, &[]);
    assert!(found.contains(&code("outlier", 2, &[4, 78])), "{found:?}");
    // Half of the rows are no outliers.
    let mut rows = plain.clone();
    rows.iter_mut().step_by(2).for_each(|row| row[0] -= 43.25);
    assert!(of_rows(&rows, &[]).iter().all(|(code, ..)| code != "outlier"));
    // By its weight.
    let lines: String = (csv(&plain).lines().enumerate())
        .map(|(i, line)| format!("{line},{}\n", ["w", "1", "100000"][usize::from(i > 0) + usize::from(i == 9)]))
        .collect();
    let weighted = folder.write("w.csv", lines);
    let weighed = all_found(&json(score().arg(&weighted).args(["--weights", "w"])));
    assert!(weighed.contains(&code("outlier", 1, &[9])), "{weighed:?}");
}

#[test]
fn sums_against_means() {
    let plain = Normal::new(9).rows(200);
    let tokens = |i: usize| 20.0 + (i * 37 % 50) as f64;
    for models in [&[2, 3][..], &[0, 1]] {
        let mut rows = plain.clone();
        for (i, row) in rows.iter_mut().enumerate() {
            models.iter().for_each(|&column| row[column] /= tokens(i));
        }
        // Neither swapped columns nor displacement.
        assert_eq!(of_rows(&rows, &[]), [code("sums_against_means", 200, &[])]);
        assert!(of_rows(&rows, &["--reference-free"]).iter().all(|(code, ..)| code != "sums_against_means"));
        // Three pairs do.
        assert_eq!(of_rows(&rows[..3], &[]), [code("sums_against_means", 3, &[])]);
    }
    // Both means.
    let means: Vec<Row> = plain.iter().enumerate().map(|(i, row)| row.map(|x| x / tokens(i))).collect();
    assert!(of_rows(&means, &[]).iter().all(|(code, ..)| code != "sums_against_means"));
    // A policy that unlearnt everything: four times as large, but the smaller are no means.
    let rows: Vec<Row> = plain.iter().map(|row| [4.0 * row[0], 4.0 * row[1], row[2], row[3]]).collect();
    assert!(of_rows(&rows, &[]).iter().all(|(code, ..)| code != "sums_against_means"));
    // A policy that unlearnt short rejected answers.
    let rows: Vec<Row> = plain.iter().map(|row| [row[0], row[1] / 10.0 - 40.0, row[2], row[3] / 10.0]).collect();
    assert!(of_rows(&rows, &[]).iter().all(|(code, ..)| code != "sums_against_means"));
}

#[test]
fn the_same_file_twice() {
    let folder = Folder::new();
    let plain = Normal::new(10).rows(50);
    let a = folder.write("a.csv", csv(&plain));
    let copy = folder.write("copy.csv", format!("\n{}", csv(&plain)).trim_start());
    let other = folder.write("other.csv", csv(&Normal::new(11).rows(50)));
    let jsonl: String = (plain.iter())
        .map(|row| {
            let pairs: Vec<String> =
                HEADER.split(',').zip(row).map(|(k, x)| format!("\"{k}\": {}", *x as f32)).collect();
            format!("{{{}}}\n", pairs.join(", "))
        })
        .collect();
    let jsonl = folder.write("same.jsonl", jsonl);
    let said = |files: &[&std::path::PathBuf]| {
        let json = json(score().args(files));
        let of = |finding: &&serde_json::Value| finding["code"] == "same_file";
        json["findings"].as_array().unwrap().iter().find(of).cloned()
    };
    assert!(said(&[&a]).is_none() && said(&[&a, &other]).is_none());
    for (files, words) in [
        (&[&a, &a][..], "a.csv is given twice"),
        (&[&a, &other, &copy], "copy.csv has the rows of"),
        (&[&jsonl, &other, &a], "a.csv has the rows of"),
    ] {
        let finding = said(files).unwrap();
        assert!(finding["headline"].as_str().unwrap().contains(words), "{finding}");
        assert_eq!(finding["count"], 50);
    }
    // The policy's file as the reference's.
    let model = |name: &str| folder.write(name, file(&[Tensor::f32("sequence_logps", &[2], &[-1.5, -2.5])], 0));
    let (policy, same) = (model("p.safetensors"), model("q.safetensors"));
    for (reference, words) in [(&policy, "are the same file"), (&same, "the same in every row")] {
        let report = succeeds(score().arg("--policy").arg(&policy).arg("--reference").arg(reference));
        assert!(report.contains(words), "{report}");
    }
}

#[test]
fn whole_numbers() {
    let folder = Folder::new();
    let integers = |kind: &'static str, values: [i64; 3]| {
        let tensors: Vec<_> = HEADER.split(',').map(|name| Tensor::integers(name, kind, &[3], &values)).collect();
        let input = folder.write("a.safetensors", file(&tensors, 0));
        all_found(&json(score().arg(input))).iter().any(|(code, ..)| code == "whole_numbers")
    };
    // Bits of bf16, and small integers by their type.
    assert!(integers("I16", [-16056, -15632, -15904]) && integers("I64", [-12, -14, -9]));
    let is_found = |rows: &[Row]| of_rows(rows, &[]).iter().any(|(code, ..)| code == "whole_numbers");
    assert!(is_found(&[[-16056.0, -16032.0, -16048.0, -16040.0]; 3]));
    assert!(!is_found(&[[-12.0, -14.0, -13.0, -9.0]; 3]));
    let rounded: Vec<Row> = Normal::new(12).rows(100).iter().map(|row| row.map(f64::round)).collect();
    assert!(is_found(&rounded));
    let mut one = rounded.clone();
    one[99][3] -= 0.5;
    assert!(!is_found(&one));
    // One column of floats is enough.
    let mut tensors: Vec<_> =
        HEADER.split(',').map(|name| Tensor::integers(name, "I16", &[2], &[-16056, -16032])).collect();
    tensors[1] = Tensor::f32("policy_rejected_logps", &[2], &[-12.5, -3.25]);
    let input = folder.write("b.safetensors", file(&tensors, 0));
    assert!(all_found(&json(score().arg(input))).iter().all(|(code, ..)| code != "whole_numbers"));
}

#[test]
fn rows_of_the_other_findings() {
    let plain = Normal::new(13).rows(60);
    let mut rows = plain.clone();
    (rows[3][1], rows[50][2]) = (0.5, 1e-30);
    let found = beyond(&rows, &plain, &[]);
    assert_eq!(found, [code("positive_logps", 2, &[4, 51])]);
    let mut rows = plain.clone();
    (rows[3][1], rows[50][2]) = (f64::NAN, f64::NEG_INFINITY);
    let found = beyond(&rows, &plain, &[]);
    assert_eq!(found, [code("not_finite", 2, &[4, 51])]);
}

/// Past the first chunk, and in a second file.
#[test]
fn rows_are_counted_over_chunks_and_files() {
    let folder = Folder::new();
    let mut rows = Normal::new(14).rows(70_000);
    (rows[65_536][0], rows[65_536][2]) = (-9999.0, -9999.0);
    (rows[69_999][2], rows[1][2]) = (0.0, 0.0);
    rows[65_540][0] += 5000.5;
    let whole = folder.write("whole.csv", csv(&rows));
    let parts = [folder.write("a.csv", csv(&rows[..66_000])), folder.write("b.csv", csv(&rows[66_000..]))];
    let expected =
        [code("positive_logps", 1, &[65_541]), code("reference_zero", 2, &[2, 70_000]), code("stand_in", 1, &[65_537])];
    let [one, two] = [json(score().arg(whole)), json(score().args(&parts))];
    for json in [&one, &two] {
        let found = all_found(json);
        for expected in &expected {
            assert!(found.contains(expected), "{expected:?} is missing in {found:?}");
        }
        assert_eq!(json["largest_margins"][0]["row"], 65_541);
        assert_eq!(json["largest_margins"].as_array().unwrap().len(), 5);
    }
    for key in ["smallest_margins", "largest_margins", "finite"] {
        assert_eq!(one[key], two[key]);
    }
    let report = succeeds(score().args(&parts));
    let words: Vec<_> = report.split_whitespace().collect();
    assert!(words.join(" ").contains("rows 2 (") && words.join(" ").contains("b.csv line 4001)"), "{report}");
}

/// The means of the finite pairs are those of a file without the others.
#[test]
fn means_over_the_finite_pairs() {
    let folder = Folder::new();
    let plain = Normal::new(15).rows(30);
    let mut rows = plain.clone();
    rows.insert(7, [f64::NAN, -1.5, -1.5, -1.5]);
    rows.insert(20, [-2.5, f64::INFINITY, -1.5, -1.5]);
    let all = json(score().arg(folder.write("a.csv", csv(&rows))));
    let fewer = json(score().arg(folder.write("b.csv", csv(&plain))));
    assert_eq!((&all["loss"], &all["pairs"]), (&"nan".into(), &32.into()));
    let finite = all["finite"].as_object().unwrap();
    assert_eq!(finite.len(), 8);
    for (key, value) in finite {
        assert_eq!(*value, fewer[key], "{key}");
    }
    assert_eq!(fewer["finite"], all["finite"]);
}

/// NaN stays, whatever its weight; of all else a weight of 0 makes 0, infinity included.
#[test]
fn a_weight_of_0() {
    let folder = Folder::new();
    let rows = ["nan,-14,-13,-13.5,0", "-inf,-14,-13,-13.5,0", "-30.25,-28.5,-29.75,-29,1"];
    let input = folder.write("a.csv", format!("{HEADER},w\n{}\n", rows.join("\n")));
    for (loss, last) in [("dpo", 0.744_396_7), ("ipo", 36.0)] {
        let out = folder.path("out.csv");
        succeeds(score().arg(&input).args(["--weights", "w", "--loss", loss, "--out"]).arg(&out));
        let columns = read_back(&out);
        for name in ["loss", "grad_chosen_logps", "grad_rejected_logps"] {
            assert!(columns[name][0].is_nan(), "{loss}, {name}");
            assert_eq!(columns[name][1], 0.0, "{loss}, {name}");
        }
        assert_eq!(columns["loss"][2], last);
    }
    let json = json(score().arg(&input).args(["--weights", "w"]));
    assert_eq!((&json["nonfinite"], &json["finite"]["pairs"]), (&2.into(), &1.into()));
    let help = succeeds(score().arg("--help")).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("A weight of 0 makes 0 of every loss and gradient"), "{help}");
}

/// Sums where the loss is one of means over the tokens: told by the files, by the option, or by the sizes.
#[test]
fn sums_for_means() {
    let folder = Folder::new();
    let text = "{\"policy_chosen_logps\": [-1.5, -2.5], \"policy_rejected_logps\": [-2.5, -3.5]}\n".repeat(30);
    let lists = folder.write("lists.jsonl", text);
    let [sums, means] = ["sum", "mean"].map(|reduce| {
        let out = folder.path(&format!("{reduce}.safetensors"));
        let input = data("logits_f32.safetensors");
        succeeds(logps().arg(input).args(["--reduce", reduce]).arg("--out").arg(&out));
        out
    });
    let (pairs, of_lists) = (fs::read_to_string(data("pairs.csv")).unwrap(), fs::read_to_string(&lists).unwrap());
    for loss in pair_losses() {
        let is_of_means = loss.formula.contains("token means");
        let found = |is_sum: bool, command: &mut std::process::Command| {
            let found = all_found(&json(command.args(["--loss", loss.name])));
            let count = found.iter().filter(|(code, ..)| code == "sums_for_means").count();
            assert_eq!(count, usize::from(is_sum && is_of_means), "{}: {command:?} {found:?}", loss.name);
        };
        let free = "--reference-free";
        let with_column = |text: &str| loss.column.map_or(text.to_owned(), |column| csv_with(&column, text));
        let all = folder.write("all.csv", with_column(&pairs));
        found(true, score().arg(&all).arg(free));
        found(false, score().arg(folder.write("means.csv", with_column(&csv_of_means()))).arg(free));
        let beside = loss.column.map_or(String::new(), |column| format!(", \"{}\": 1", column.name));
        let lists = folder.write("lists.jsonl", of_lists.replace('}', &format!("{beside}}}")));
        found(true, score().arg(&lists).args([free, "--tokens", "sum"]));
        found(false, score().arg(&lists).args([free, "--tokens", "mean"]));
        match loss.column {
            None => {
                found(true, score().arg("--policy").arg(&sums).arg(free));
                found(false, score().arg("--policy").arg(&means).arg(free));
            }
            Some(column) => {
                let line = refused(score().args(["--loss", loss.name, free, "--policy"]).arg(&sums));
                let words = format!("takes the column {} beside log-probabilities", column.name);
                assert!(line.contains(&words) && line.contains("instead of --policy"), "{line}");
            }
        }
        // A loss without a reference reads none, and says so where one is named.
        if !loss.reference {
            let plain = succeeds(score().arg(&all).args(["--loss", loss.name]));
            assert!(plain.contains("is defined without a reference: columns of one are not read"), "{plain}");
            for option in ["--ref-chosen", "--ref-rejected"] {
                let line = refused(score().arg(data("pairs.csv")).args(["--loss", loss.name, option, "x"]));
                assert!(line.contains(&format!("is defined without a reference; leave {option} out")), "{line}");
            }
            if loss.column.is_none() {
                let line =
                    refused(score().args(["--loss", loss.name, "--policy"]).arg(&means).arg("--reference").arg(&sums));
                assert!(line.contains("leave --reference out"), "{line}");
                succeeds(score().args(["--loss", loss.name, "--policy"]).arg(&means));
            }
        }
    }
}

/// The policy's log-probabilities of the real pairs, each divided by its tokens.
fn csv_of_means() -> String {
    let text = fs::read_to_string(data("pairs.csv")).unwrap();
    let mean = |line: &str| {
        let fields: Vec<f64> = line.split(',').skip(1).map(|field| field.parse().unwrap()).collect();
        format!("{},{}\n", fields[3] / fields[1], fields[4] / fields[2])
    };
    format!("policy_chosen_logps,policy_rejected_logps\n{}", text.lines().skip(1).map(mean).collect::<String>())
}
