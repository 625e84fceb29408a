//! Every loss of pairs with both gradients, on every level; see `benches/README.md`.

mod measure;

use measure::{Random, Subject, Turn, by_turns, is_measuring, print_load};
use preflane::losses::{Description, LOSSES, Shape, find};
use preflane::{Backend, Level, Loss, Outputs, Pairs, Run};
use std::hint::black_box;
use std::io::{BufRead, Error};
use std::time::Duration;

const ROWS: usize = 1 << 16;

/// Log-probabilities. A loss with a reference is given sums over answers, one without a reference means over tokens: what an exponential
/// of the log-probability itself has digits of.
struct Data {
    sums: [Vec<f32>; 4],
    means: [Vec<f32>; 2],
    column: Vec<f32>,
}

impl Data {
    fn new() -> Self {
        let mut random = Random::new();
        let mut data =
            Self { sums: [const { Vec::new() }; 4], means: [const { Vec::new() }; 2], column: vec![0.0; ROWS] };
        for _ in 0..ROWS {
            for (column, x) in data.sums.iter_mut().zip(random.pair()) {
                column.push(x as f32);
            }
        }
        for column in &mut data.means {
            column.extend((0..ROWS).map(|_| random.uniform(-4.0, 0.0) as f32));
        }
        data
    }

    /// What the loss takes beside log-probabilities: two everyday values by turns.
    fn set_column(&mut self, loss: &Description) {
        if let Some(column) = loss.column {
            for (i, x) in self.column.iter_mut().enumerate() {
                *x = column.grid[i % 2] as f32;
            }
        }
    }

    fn pairs(&self, loss: &Description) -> Pairs<'_> {
        let [pc, pr, rc, rr] = &self.sums;
        let [chosen, rejected] = &self.means;
        let pairs = if loss.reference { Pairs::new(pc, pr, rc, rr) } else { Pairs::reference_free(chosen, rejected) };
        if loss.column.is_some() { pairs.with_column(&self.column) } else { pairs }
    }
}

fn losses() -> impl Iterator<Item = &'static Description> {
    LOSSES.iter().copied().filter(|loss| loss.shape == Shape::Pairwise)
}

fn everyday(loss: &Description) -> Loss {
    Loss::new(loss, &loss.case(0)).expect("valid parameters")
}

fn backends() -> Vec<Backend> {
    Level::ALL.into_iter().filter_map(|level| Backend::new(level).ok()).collect()
}

/// The loss and both gradients.
fn evaluate(backend: Backend, loss: &Loss, pairs: Pairs<'_>, results: &mut [Vec<f32>; 3]) {
    let [losses, chosen, rejected] = results.each_mut().map(|x| Some(&mut x[..]));
    let outputs = Outputs { losses, grad_chosen_logps: chosen, grad_rejected_logps: rejected, ..Outputs::default() };
    Run::on(black_box(backend)).evaluate(black_box(loss), pairs, outputs, None).expect("equal lengths");
}

fn results() -> [Vec<f32>; 3] {
    [const { Vec::new() }; 3].map(|_: Vec<f32>| vec![0.0; ROWS])
}

fn print_table() {
    print_load();
    let backends = backends();
    println!("\n### Losses: {ROWS} pairs, loss and both gradients, one thread, ns a pair\n");
    let names: Vec<_> = backends.iter().map(|backend| backend.level().name()).collect();
    println!("| loss | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
    let (mut data, mut results) = (Data::new(), results());
    for description in losses() {
        data.set_column(description);
        let (loss, pairs) = (everyday(description), data.pairs(description));
        let mut subjects: Vec<_> = backends
            .iter()
            .map(|&backend| {
                Subject::new(ROWS, move |results: &mut [Vec<f32>; 3]| evaluate(backend, &loss, pairs, results))
            })
            .collect();
        let times = by_turns(&mut results, &mut subjects);
        let row: Vec<_> = (0..backends.len()).map(|i| times.of(i).to_string()).collect();
        println!("| {} | {} |", description.name, row.join(" | "));
    }
}

/// A list of JSON of what `text` says of each item.
fn json<T>(items: impl IntoIterator<Item = T>, text: impl Fn(T) -> String) -> String {
    let items: Vec<_> = items.into_iter().map(text).collect();
    items.join(", ")
}

/// For scripts that time something else by turns. The first line on standard output is JSON with all losses and levels; then for every
/// line `loss level` on standard input there is one with the median time.
fn serve() -> Result<(), Error> {
    let all = json(losses(), |loss| {
        let values = loss.case(0);
        let parameters = json(loss.parameters.iter().zip(values.iter()), |(p, x)| format!(r#""{}": {x:e}"#, p.name));
        let column = loss.column.map_or_else(|| "null".to_owned(), |c| format!("[{:e}, {:e}]", c.grid[0], c.grid[1]));
        format!(
            r#"{{"name": "{}", "reference": {}, "parameters": {{{parameters}}}, "column": {column}}}"#,
            loss.name, loss.reference
        )
    });
    let levels = json(backends(), |backend| format!(r#""{}""#, backend.level().name()));
    println!(r#"{{"rows": {ROWS}, "losses": [{all}], "levels": [{levels}]}}"#);
    let (mut data, mut results) = (Data::new(), results());
    let turn = Turn { warm_up: Duration::from_millis(5), timed: Duration::from_millis(4) };
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let wrong = || Error::other(format!("not understood: {line}"));
        let (name, level) = line.split_once(' ').ok_or_else(wrong)?;
        let description = find(name).filter(|loss| loss.shape == Shape::Pairwise).ok_or_else(wrong)?;
        let backend = backends().into_iter().find(|backend| backend.level().name() == level).ok_or_else(wrong)?;
        data.set_column(description);
        let (loss, pairs) = (everyday(description), data.pairs(description));
        let mut times: [f64; 5] =
            std::array::from_fn(|_| turn.time(|| evaluate(backend, &loss, pairs, black_box(&mut results))));
        times.sort_by(f64::total_cmp);
        println!(r#"{{"ns_per_pair": {:.4}}}"#, times[2] / ROWS as f64);
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    if std::env::var_os("PREFLANE_BENCH_JSON").is_some_and(|x| x == "1") {
        return serve();
    }
    if is_measuring() {
        print_table();
    }
    Ok(())
}
