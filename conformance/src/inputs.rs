//! The input set. Every value comes from integer arithmetic on bit patterns, so that no float operation of the
//! platform under test has a part in what it is asked to compute.

/// One preference pair with its weight.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Policy log-probability of the chosen answer.
    pub policy_chosen: f32,
    /// Policy log-probability of the rejected answer.
    pub policy_rejected: f32,
    /// Reference log-probability of the chosen answer.
    pub ref_chosen: f32,
    /// Reference log-probability of the rejected answer.
    pub ref_rejected: f32,
    /// Weight of the pair: finite, at least 0.
    pub weight: f32,
}

/// What is computed where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Everywhere, microcontrollers included.
    Core,
    /// Wherever there is std: the same families with more rows.
    Wide,
    /// Wherever there is std, one configuration of each loss: enough rows for several threads.
    Long,
}

impl Set {
    /// All sets, in the order of the digest file.
    pub const ALL: [Set; 3] = [Set::Core, Set::Wide, Set::Long];

    /// The first part of a digest's name.
    pub const fn name(self) -> &'static str {
        match self {
            Set::Core => "core",
            Set::Wide => "wide",
            Set::Long => "long",
        }
    }
}

/// A family of rows; row `i` depends on `i` alone.
#[derive(Debug)]
pub struct Rows {
    /// Part of the digest's name.
    pub name: &'static str,
    /// Number of rows.
    pub len: usize,
    row: fn(u64) -> Row,
}

impl Rows {
    /// Row `index`.
    pub fn row(&self, index: usize) -> Row {
        (self.row)(index as u64)
    }

    /// Rows of all families of the core in turn: of a loss that is defined by its exact values, which nothing about a batch could change.
    pub const ALL: &'static [Rows] = &[Rows { name: "all", len: 304, row: all }];

    /// The families of a set.
    pub const fn of(set: Set) -> &'static [Rows] {
        match set {
            Set::Core => &[
                Rows { name: "random", len: 250, row: random },
                Rows { name: "bits", len: 250, row: bits },
                Rows { name: "scales", len: 250, row: scales },
                Rows { name: "ties", len: 250, row: ties },
                Rows { name: "zeros", len: 250, row: zeros },
                Rows { name: "edges", len: 300, row: edges },
                Rows { name: "real", len: REAL_ROWS, row: real },
                Rows { name: "midpoints", len: MIDPOINT_ROWS, row: midpoints },
            ],
            Set::Wide => &[
                Rows { name: "random", len: 2_111, row: random },
                Rows { name: "bits", len: 1_111, row: bits },
                Rows { name: "scales", len: 2_111, row: scales },
                Rows { name: "ties", len: 2_111, row: ties },
                Rows { name: "edges", len: 1_511, row: edges },
            ],
            Set::Long => &[Rows { name: "mixed", len: 70_001, row: mixed }],
        }
    }
}

/// A family of rows of logits; each logit depends on its row and column alone.
#[derive(Debug)]
pub struct LogitRows {
    /// Part of the digest's name.
    pub name: &'static str,
    /// Number of rows.
    pub rows: usize,
    /// Logits a row.
    pub columns: usize,
    value: fn(u64, u64) -> f32,
}

impl LogitRows {
    /// The logit of a row and a column.
    pub fn value(&self, row: usize, column: usize) -> f32 {
        (self.value)(row as u64, column as u64)
    }

    /// The families of a set.
    pub const fn of(set: Set) -> &'static [LogitRows] {
        match set {
            Set::Core => &[
                LogitRows { name: "model", rows: 12, columns: 96, value: model_logit },
                LogitRows { name: "certain", rows: 12, columns: 33, value: certain_logit },
                LogitRows { name: "spread", rows: 12, columns: 64, value: spread_logit },
                LogitRows { name: "few", rows: 12, columns: 5, value: few_logit },
            ],
            Set::Wide => &[
                LogitRows { name: "model", rows: 40, columns: 300, value: model_logit },
                LogitRows { name: "certain", rows: 40, columns: 129, value: certain_logit },
                LogitRows { name: "spread", rows: 60, columns: 257, value: spread_logit },
            ],
            Set::Long => &[LogitRows { name: "model", rows: 8, columns: 5_003, value: model_logit }],
        }
    }
}

/// A family of arguments for the elementary functions.
#[derive(Debug)]
pub struct Arguments {
    /// Part of the digest's name.
    pub name: &'static str,
    /// Number of arguments.
    pub len: usize,
    value: fn(u64) -> f32,
}

impl Arguments {
    /// Argument `index`.
    pub fn value(&self, index: usize) -> f32 {
        (self.value)(index as u64)
    }

    /// The families of a set.
    pub const fn of(set: Set) -> &'static [Arguments] {
        const EDGES: usize = EDGE_BITS.len() * 8;
        match set {
            Set::Core => &[
                Arguments { name: "range", len: 1_000, value: range_argument },
                Arguments { name: "bits", len: 1_000, value: bits_argument },
                Arguments { name: "edges", len: EDGES, value: edge_argument },
            ],
            Set::Wide => &[
                Arguments { name: "range", len: 50_021, value: range_argument },
                Arguments { name: "bits", len: 50_021, value: bits_argument },
            ],
            Set::Long => &[],
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014), one stream for each family and row.
struct Random(u64);

impl Random {
    fn new(family: u64, index: u64) -> Self {
        let mut seed = Random(family << 48 ^ index);
        Random(seed.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn word(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }

    /// An integer in `0..bound`; the slight bias does not matter here.
    fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.word()) * u64::from(bound)) >> 32) as u32
    }

    /// An integer in `-bound..=bound`.
    fn around(&mut self, bound: u32) -> i32 {
        self.below(2 * bound + 1) as i32 - bound as i32
    }

    fn pick(&mut self, bits: &[u32]) -> f32 {
        f32::from_bits(bits[self.below(bits.len() as u32) as usize])
    }

    /// Any bit pattern, with NaN, infinities, zeros and subnormals more often than their share.
    fn pattern(&mut self) -> f32 {
        let bits = self.word();
        f32::from_bits(match self.below(32) {
            0 => bits | 0x7f80_0000,
            1 => bits & 0x807f_ffff,
            2 => bits & 0x8000_0000 | 0x7f80_0000,
            3 => bits & 0x8000_0000,
            _ => bits,
        })
    }

    /// Any sign and mantissa, the biased exponent uniform in `low..high`.
    fn scale(&mut self, low: u32, high: u32) -> f32 {
        let exponent = low + self.below(high - low);
        f32::from_bits(self.word() & 0x807f_ffff | exponent << 23)
    }

    /// A weight as trainers use them, with zero, one and the ends of the range among them.
    fn weight(&mut self) -> f32 {
        match self.below(16) {
            0 | 1 => 0.0,
            2 | 3 => 1.0,
            4 => f32::from_bits(self.below(1 << 23)),
            5 => f32::from_bits((127 + 40) << 23 | self.below(1 << 23)),
            _ => fixed(self.below(1 << 24) as i32, 22),
        }
    }
}

/// `value / 2^fraction` for |value| < 2^24, exact, by integer arithmetic.
fn fixed(value: i32, fraction: u32) -> f32 {
    if value == 0 {
        return 0.0;
    }
    let magnitude = value.unsigned_abs();
    debug_assert!(magnitude < 1 << 24);
    let shift = magnitude.leading_zeros() - 8;
    let exponent = 127 + 23 - shift - fraction;
    let mantissa = (magnitude << shift) & 0x007f_ffff;
    f32::from_bits(u32::from(value < 0) << 31 | exponent << 23 | mantissa)
}

/// Log-probabilities as models give them: up to 512 nats, the reference within 32 nats of the policy.
fn random(index: u64) -> Row {
    let mut r = Random::new(1, index);
    let mut side = || {
        let policy = r.below(1 << 24) as i32;
        let reach = if r.below(4) == 0 { 20 } else { 16 };
        let near = r.around(1 << reach);
        let reference = (policy + near).clamp(0, (1 << 24) - 1);
        (fixed(-policy, 15), fixed(-reference, 15))
    };
    let (policy_chosen, ref_chosen) = side();
    let (policy_rejected, ref_rejected) = side();
    Row { policy_chosen, policy_rejected, ref_chosen, ref_rejected, weight: r.weight() }
}

/// Any bits at all.
fn bits(index: u64) -> Row {
    let mut r = Random::new(2, index);
    let mut weight = r.word() & 0x7fff_ffff;
    if weight >= 0x7f80_0000 {
        weight ^= 0x4000_0000;
    }
    Row {
        policy_chosen: r.pattern(),
        policy_rejected: r.pattern(),
        ref_chosen: r.pattern(),
        ref_rejected: r.pattern(),
        weight: f32::from_bits(weight),
    }
}

/// Exponents from subnormal to 2^60, so that scores cross every branch of the kernels while no reward overflows at an
/// ordinary beta: the exact sums get terms of all sizes.
fn scales(index: u64) -> Row {
    let mut r = Random::new(3, index);
    // Half of the rows stay where exp neither saturates nor is lost in rounding.
    let (low, high) = if r.below(2) == 0 { (0, 187) } else { (97, 137) };
    let alone = r.below(4) == 0;
    let mut reference = || if alone { 0.0 } else { r.scale(low, high) };
    let (ref_chosen, ref_rejected) = (reference(), reference());
    Row {
        policy_chosen: r.scale(low, high),
        policy_rejected: r.scale(low, high),
        ref_chosen,
        ref_rejected,
        weight: r.weight(),
    }
}

/// Score differences a few units in the last place from 0 and from the places where a loss bends or is 0: `1/beta` and
/// `1/(2 beta)` at the betas of the losses.
fn ties(index: u64) -> Row {
    const FRACTION: u32 = 14;
    const KNEES: [i32; 6] = [0, 1, 2, 5, 10, 20];
    let mut r = Random::new(4, index);
    if r.below(2) == 0 {
        let mut side = || {
            let policy = r.scale(119, 137).to_bits();
            (f32::from_bits(policy), f32::from_bits(policy.wrapping_add_signed(r.around(3))))
        };
        let (policy_chosen, ref_chosen) = side();
        let (policy_rejected, ref_rejected) = side();
        Row { policy_chosen, policy_rejected, ref_chosen, ref_rejected, weight: r.weight() }
    } else {
        let knee = KNEES[r.below(KNEES.len() as u32) as usize] << FRACTION;
        let chosen = r.below(1 << 22) as i32;
        let rejected = r.below(1 << 22) as i32;
        Row {
            policy_chosen: fixed(knee + r.around(2) - chosen, FRACTION),
            policy_rejected: fixed(r.around(2) - rejected, FRACTION),
            ref_chosen: fixed(-chosen, FRACTION),
            ref_rejected: fixed(-rejected, FRACTION),
            weight: r.weight(),
        }
    }
}

/// Zeros of both signs among ordinary values, so that paths for ordinary blocks see them: a zero's sign is promised too.
fn zeros(index: u64) -> Row {
    const VALUES: [u32; 8] = [0, 0x8000_0000, 0, 0x8000_0000, 0xbf80_0000, 0xbf00_0000, 0xc020_0000, 0x3f80_0000];
    let mut r = Random::new(9, index);
    Row {
        policy_chosen: r.pick(&VALUES),
        policy_rejected: r.pick(&VALUES),
        ref_chosen: r.pick(&VALUES),
        ref_rejected: r.pick(&VALUES),
        weight: r.pick(&[0, 0x8000_0000, 0x3f80_0000, 0x3f00_0000]),
    }
}

/// The corners of f32, the places where an exponential of f32 range saturates, and NaN of both kinds and signs.
const EDGE_BITS: [u32; 40] = [
    0x0000_0000, // 0
    0x8000_0000, // -0
    0x0000_0001, // smallest subnormal
    0x8000_0001,
    0x007f_ffff, // largest subnormal
    0x807f_ffff,
    0x0080_0000, // smallest normal
    0x8080_0000,
    0x3380_0000, // 2^-24
    0xb380_0000,
    0x3f80_0000, // 1
    0xbf80_0000,
    0x3f80_0001, // next above 1
    0xbf7f_ffff, // next above -1
    0x3f31_7218, // ln 2
    0xbf31_7218,
    0x3eb1_7218, // ln 2 / 2
    0xbeb1_7218,
    0x3dcc_cccd, // 0.1
    0xbdcc_cccd,
    0x418a_a123, // 17.33, where 1 + exp(-x) rounds to 1
    0xc18a_a123,
    0x42b1_7217, // 88.72, where exp overflows
    0xc2b1_7217,
    0x42ae_ac50, // 87.34, where exp becomes subnormal
    0xc2ae_ac50,
    0x42cf_f1b4, // 103.97, where exp underflows to 0
    0xc2cf_f1b4,
    0x4b80_0000, // 2^24
    0xcb80_0000,
    0x7149_f2ca, // 1e30
    0xf149_f2ca,
    0x7f7f_ffff, // largest finite
    0xff7f_ffff,
    0x7f80_0000, // infinity
    0xff80_0000,
    0x7fc0_0000, // quiet NaN
    0xffc0_1234, // quiet NaN, negative, with a payload
    0x7f80_0001, // signalling NaN
    0xffbf_ffff, // signalling NaN, negative, with a payload
];

/// Corners against each other; every fourth row cancels two large numbers.
fn edges(index: u64) -> Row {
    const LARGE: [u32; 3] = [0x7149_f2ca, 0xf149_f2ca, 0x7f7f_ffff];
    const WEIGHTS: [u32; 8] = [0, 0x8000_0000, 1, 0x0080_0000, 0x3f80_0000, 0x3f00_0000, 0x7149_f2ca, 0x7f7f_ffff];
    let mut r = Random::new(5, index);
    // The last four are NaN, the two before infinities: most rows do without, or little else would be seen.
    let candidates = match r.below(4) {
        0 => EDGE_BITS.len(),
        1 => EDGE_BITS.len() - 4,
        _ => EDGE_BITS.len() - 6,
    };
    let corners = &EDGE_BITS[..candidates];
    if index.is_multiple_of(4) {
        let chosen = r.pick(&LARGE);
        let rejected = if r.below(2) == 0 { chosen } else { r.pick(corners) };
        let (near, far) = (r.pick(corners), r.pick(corners));
        let weight = r.pick(&WEIGHTS);
        // Within a side, across the sides, and in both at once.
        return match r.below(3) {
            0 => Row { policy_chosen: chosen, policy_rejected: near, ref_chosen: chosen, ref_rejected: far, weight },
            1 => Row { policy_chosen: chosen, policy_rejected: chosen, ref_chosen: near, ref_rejected: far, weight },
            _ => Row {
                policy_chosen: chosen,
                policy_rejected: rejected,
                ref_chosen: chosen,
                ref_rejected: rejected,
                weight,
            },
        };
    }
    Row {
        policy_chosen: r.pick(corners),
        policy_rejected: r.pick(corners),
        ref_chosen: r.pick(corners),
        ref_rejected: r.pick(corners),
        weight: r.pick(&WEIGHTS),
    }
}

/// Number of real pairs.
const REAL_ROWS: usize = 300;

/// Sums of log-probabilities of 300 preference pairs under a small model before and after DPO: four columns of f32,
/// little-endian.
static REAL: &[u8; REAL_ROWS * 16] = include_bytes!("../data/pairs.f32le");

/// Pairs of a real model, with made-up weights.
fn real(index: u64) -> Row {
    let column = |c: usize| little_endian(REAL, (c * REAL_ROWS + index as usize) * 4);
    Row {
        policy_chosen: column(0),
        policy_rejected: column(1),
        ref_chosen: column(2),
        ref_rejected: column(3),
        weight: Random::new(6, index).weight(),
    }
}

/// Number of rows near midpoints.
const MIDPOINT_ROWS: usize = 118;

/// Pairs of policy log-probabilities, found by `examples/midpoints.rs`: two columns of f32, row by row, little-endian.
static MIDPOINTS: &[u8; MIDPOINT_ROWS * 8] = include_bytes!("../data/midpoints.f32le");

/// Rows whose outputs at beta 0.1 hang on the last bits of f64: where those change, they are far likelier to show it than
/// other rows, of which one output in 2^28 or so does.
fn midpoints(index: u64) -> Row {
    let at = index as usize * 8;
    Row {
        policy_chosen: little_endian(MIDPOINTS, at),
        policy_rejected: little_endian(MIDPOINTS, at + 4),
        ref_chosen: 0.0,
        ref_rejected: 0.0,
        weight: 1.0,
    }
}

/// The number at a place in bytes.
fn little_endian(bytes: &[u8], at: usize) -> f32 {
    f32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Ordinary rows with a few of every size: what the threads share out.
fn mixed(index: u64) -> Row {
    match index % 16 {
        0 => scales(index),
        1 => ties(index),
        _ => random(index),
    }
}

/// A row of each family in turn.
fn all(index: u64) -> Row {
    match index % 8 {
        0 => random(index),
        1 => bits(index),
        2 => scales(index),
        3 => ties(index),
        4 => zeros(index),
        5 => edges(index),
        6 => real(index % REAL_ROWS as u64),
        _ => midpoints(index % MIDPOINT_ROWS as u64),
    }
}

/// As models have them: within 16 of 0, the most near it.
fn model_logit(row: u64, column: u64) -> f32 {
    let mut r = Random::new(9, row << 20 ^ column);
    let sum = (0..4).map(|_| r.around(1 << 17)).sum();
    fixed(sum, 15)
}

/// One logit far above the others, which lie close or far below.
fn certain_logit(row: u64, column: u64) -> f32 {
    let mut r = Random::new(10, row << 20 ^ column);
    let below = fixed(-r.around(1 << 12).abs() - ((row as i32 * 9) << 12), 12);
    if column == row * 7 % 33 { fixed(1 + row as i32, 3) } else { below }
}

/// All magnitudes, masked columns among them.
fn spread_logit(row: u64, column: u64) -> f32 {
    let mut r = Random::new(11, row << 20 ^ column);
    match r.below(16) {
        0 => f32::NEG_INFINITY,
        1 => 0.0,
        _ => r.scale(1, [130, 140, 150, 165, 254][(row % 5) as usize]),
    }
}

/// A few values, with ties.
fn few_logit(row: u64, column: u64) -> f32 {
    fixed(Random::new(12, row << 20 ^ column).around(2) * (1 + row as i32), 1)
}

/// Arguments at which the functions are neither saturated nor trivial.
fn range_argument(index: u64) -> f32 {
    let mut r = Random::new(7, index);
    match r.below(4) {
        // Within 128 of 0, evenly.
        0 | 1 => fixed(r.around((1 << 24) - 1), 17),
        // Within 2 of 0, evenly.
        2 => fixed(r.around((1 << 24) - 1), 23),
        // Every size up to 256.
        _ => r.scale(0, 135),
    }
}

fn bits_argument(index: u64) -> f32 {
    Random::new(8, index).pattern()
}

/// The corners and their neighbours: four below (by bit pattern), three above.
fn edge_argument(index: u64) -> f32 {
    let bits = EDGE_BITS[(index / 8) as usize];
    f32::from_bits(bits.wrapping_add_signed((index % 8) as i32 - 4))
}
