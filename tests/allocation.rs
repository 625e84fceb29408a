//! A step takes no memory but what the caller gives: every allocation of this process is counted.
#![allow(unsafe_code, reason = "an allocator is unsafe to write")]

use half::bf16;
use preflane::labelled::{Labelled, LabelledMetrics, LabelledOutputs};
use preflane::listed::{ListMetrics, ListOutputs, ListScratch, Lists};
use preflane::logits::{
    Labels, Layout, LogSumExp, LogitsMut, Reduction, RowSum, Scaling, Sequences, Step, StepBuffers, StepOutputs,
    Targets,
};
use preflane::losses::{LOSSES, Shape};
use preflane::{Backend, Batch, LabelledLoss, ListedLoss, Loss, Metrics, Reference, Run, Trainer};
use std::alloc::{GlobalAlloc, Layout as Memory, System};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, memory: Memory) -> *mut u8 {
        BYTES.fetch_add(memory.size(), SeqCst);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(memory) }
    }
    unsafe fn dealloc(&self, at: *mut u8, memory: Memory) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, memory) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `run` allocates.
fn allocated(run: impl FnOnce()) -> usize {
    let before = BYTES.load(SeqCst);
    run();
    BYTES.load(SeqCst) - before
}

/// Stack of a thread: kernels that are not optimised take more than the usual 2 MiB.
const ROOM: usize = 32 << 20;

// One test: others beside it would be counted too.
#[test]
fn a_step_allocates_nothing() {
    let thread = std::thread::Builder::new().stack_size(ROOM).spawn(count_steps).unwrap();
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

fn count_steps() {
    const V: usize = 151_936;
    const T: usize = 16;
    const ROWS: usize = 4 * T;
    assert_eq!(allocated(|| drop(vec![0_u8; 100])), 100);
    let mut logits: Vec<bf16> = (0..ROWS * V).map(|i| bf16::from_f32((i % 977) as f32 / 64.0)).collect();
    let labels: Vec<i64> = (0..ROWS as i64).collect();
    let mut token_logps = vec![0.0; ROWS];
    let mut log_sum_exps = vec![LogSumExp::default(); ROWS];
    let mut token_grads = vec![0.0; ROWS];
    let mut pairs = [[0.0; 2]; 4];
    let step = Step {
        loss: Loss::dpo(0.1).unwrap(),
        scaling: Scaling::NONE,
        sequences: Sequences::new(Targets::new(Labels::I64(&labels)), T, Layout::ChosenFirst, Reduction::Sum).unwrap(),
        reference: Some(Reference { chosen_logps: &[-90.0, -95.0], rejected_logps: &[-99.0, -93.0] }),
        weights: None,
        column: None,
        grad_scale: 0.5,
        zero_padding: false,
    };
    let mut metrics = Metrics::new();
    let mut step = |run: Run| {
        let [chosen_logps, rejected_logps, grad_chosen_logps, grad_rejected_logps] = &mut pairs;
        let buffers = StepBuffers {
            token_logps: &mut token_logps,
            log_sum_exps: &mut log_sum_exps,
            token_grads: &mut token_grads,
            chosen_logps,
            rejected_logps,
            grad_chosen_logps,
            grad_rejected_logps,
        };
        let logits = LogitsMut::new(&mut logits, ROWS, V).unwrap();
        run.step(&step, logits, buffers, StepOutputs::default(), Some(&mut metrics)).unwrap();
    };
    assert_eq!(allocated(|| step(Run::default())), 0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).stack_size(ROOM).build().unwrap();
    pool.install(|| step(Run::default().in_pool()));
    // What remains is rayon's own.
    let threaded = allocated(|| pool.install(|| step(Run::default().in_pool())));
    assert!(threaded < 4096, "{threaded}");
    let mut trainer = Trainer::new(Loss::dpo(0.1).unwrap());
    let reference = ([-90.0, -95.0], [-99.0, -93.0]);
    let mut train = |pairs: usize| {
        let (sequences, vocabulary) = (2 * pairs, 1_000);
        let batch = Batch::new([sequences, T, vocabulary], &labels[..sequences * T]);
        let batch = batch.with_reference((&reference.0[..pairs], &reference.1[..pairs]));
        allocated(|| {
            trainer.step(&mut logits[..sequences * T * vocabulary], batch).unwrap();
        })
    };
    let first = train(2);
    assert!((1..4096).contains(&first), "{first}");
    assert_eq!([train(2), train(1), train(2)], [0; 3]);
    // The promise for 4,096 rows: under 1 MiB beyond the logits.
    assert!(4096 * (4 + 4 + size_of::<LogSumExp>()) < 1 << 20);
    // Labelled and listed answers, whatever the loss.
    let (logps, labels) = ([-12.5, -14.0, -13.25, -9.0, -11.0], [true, false, false, true, true]);
    for description in LOSSES.iter().filter(|loss| matches!(loss.shape, Shape::Labelled | Shape::Listed)) {
        let (mut by_answer, mut scratch) = ([[0.0; 5]; 2], [ListScratch::default(); 3]);
        let [a, b] = by_answer.each_mut().map(|x| Some(&mut x[..]));
        let answers = allocated(|| {
            if description.shape == Shape::Labelled {
                let loss = LabelledLoss::new(description, &description.defaults()).unwrap();
                let outputs = LabelledOutputs { losses: a, grad_logps: b, ..Default::default() };
                let mut metrics = LabelledMetrics::new();
                let rows = Labelled::new(&logps, &[-1e30; 5], &labels);
                Run::default().evaluate_labelled(&loss, rows, outputs, Some(&mut metrics)).unwrap();
            } else {
                let loss = ListedLoss::new(description, &description.defaults()).unwrap();
                let outputs = ListOutputs { rewards: a, grad_logps: b, ..Default::default() };
                let mut metrics = ListMetrics::new();
                let column = description.column.map(|column| [0, 1, 2, 1, 0].map(|i| column.grid[i] as f32));
                let column = column.as_ref().map(|column| &column[..]);
                let lists = Lists { column, ..Lists::new(&logps, &[-1e30; 5], &[0, 3, 5]) };
                Run::default().evaluate_listed(&loss, lists, outputs, Some(&mut metrics), &mut scratch).unwrap();
            }
        });
        assert_eq!(answers, 0, "{}", description.name);
    }
    let streamed = allocated(|| {
        let mut sum = RowSum::new(Scaling::NONE);
        sum.add(Backend::detect(), &[0.0_f32; 3000], Some(1)).unwrap();
        assert!(sum.token_logp().unwrap() < 0.0);
    });
    assert_eq!(streamed, 0);
}
