//! Feature `serde`: what comes back is what went in, and what no state has is refused.

use preflane::labelled::{Labelled, LabelledMetrics, LabelledOutputs, LabelledReport};
use preflane::listed::{ListMetrics, ListOutputs, ListReport, ListScratch, Lists};
use preflane::streaming::{Alarm, Evaluator, Limits, Monitor, Side, Threshold, WindowReport};
use preflane::{Error, LabelledLoss, ListedLoss, Loss, Metrics, Pair, Report, Run};

#[test]
fn round_trips() {
    let mut evaluator = Evaluator::new(Loss::dpo(0.1).unwrap());
    let mut monitor = Monitor::<4>::new();
    let limits = Limits::new(1).unwrap().with(Alarm::KlK3, Threshold { raise: 0.1, clear: 0.0 }).unwrap();
    for (side, logp) in [(Side::Chosen, -0.3), (Side::Rejected, -1e-40)] {
        evaluator.begin(side).unwrap();
        evaluator.token(logp, Some(-2.0)).unwrap();
        let Some(scored) = evaluator.end(None).unwrap() else { continue };
        let changes = monitor.push(&scored, &limits);
        assert!(changes.raised.contains(Alarm::KlK3));
        let text = serde_json::to_string(&scored.pair).unwrap();
        assert_eq!(serde_json::from_str::<Pair>(&text).unwrap(), scored.pair);
    }
    let text = serde_json::to_string(monitor.metrics()).unwrap();
    assert_eq!(serde_json::from_str::<Metrics>(&text).unwrap(), *monitor.metrics());
    let text = serde_json::to_string(&monitor.metrics().report()).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), monitor.metrics().report());
    let text = serde_json::to_string(&monitor.window().report()).unwrap();
    assert_eq!(serde_json::from_str::<WindowReport>(&text).unwrap(), monitor.window().report());
    assert_eq!(serde_json::to_string(&monitor.raised()).unwrap(), "8");
    assert_eq!(serde_json::to_string(&Error::NoTarget).unwrap(), "\"NoTarget\"");
}

#[test]
fn labelled_and_listed_answers() {
    let (mut labelled, mut listed) = (LabelledMetrics::new(), ListMetrics::new());
    let (policy, reference) = ([-1.0, -2.5, -1e-40], [-1.5, -2.0, -3.0]);
    let loss = LabelledLoss::kto(0.1, 1.0, 1.33).unwrap();
    let answers = Labelled::new(&policy, &reference, &[true, false, true]);
    Run::default().evaluate_labelled(&loss, answers, LabelledOutputs::default(), Some(&mut labelled)).unwrap();
    let loss = ListedLoss::plackett_luce(0.1).unwrap();
    let (lists, mut scratch) = (Lists::new(&policy, &reference, &[0, 3]), [ListScratch::default(); 3]);
    Run::default().evaluate_listed(&loss, lists, ListOutputs::default(), Some(&mut listed), &mut scratch).unwrap();
    let text = serde_json::to_string(&labelled).unwrap();
    assert_eq!(serde_json::from_str::<LabelledMetrics>(&text).unwrap(), labelled);
    let text = serde_json::to_string(&labelled.report()).unwrap();
    assert_eq!(serde_json::from_str::<LabelledReport>(&text).unwrap(), labelled.report());
    let text = serde_json::to_string(&listed).unwrap();
    assert_eq!(serde_json::from_str::<ListMetrics>(&text).unwrap(), listed);
    let text = serde_json::to_string(&listed.report()).unwrap();
    assert_eq!(serde_json::from_str::<ListReport>(&text).unwrap(), listed.report());
}

#[test]
fn impossible_values_are_refused() {
    assert!(serde_json::from_str::<preflane::ExactSum>("[0,0,0,0,9223372036854775808]").is_err());
    assert!(serde_json::from_str::<preflane::ExactSum>("[0,0,0,0,1]").is_ok());
    assert!(serde_json::from_str::<preflane::streaming::Alarms>("32").is_err());
}
