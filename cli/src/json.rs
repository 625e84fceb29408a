//! Results as one JSON object.

use serde::{Serialize, Serializer};

/// A number in its shortest form; JSON has no other way to say nan and inf than text.
pub struct Number(pub f32);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_finite() => serializer.serialize_f32(value),
            value if value.is_nan() => serializer.serialize_str("nan"),
            value if value > 0.0 => serializer.serialize_str("inf"),
            _ => serializer.serialize_str("-inf"),
        }
    }
}

/// The object, with a line end.
pub fn text(object: &impl Serialize) -> String {
    serde_json::to_string_pretty(object).expect("numbers and text go into memory") + "\n"
}
