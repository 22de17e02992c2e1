//! How far running jobs are.

use serde::{Deserialize, Serialize};

use crate::provider::Token;

/// The longest message that is kept, in bytes.
const LONGEST: usize = 500;

/// How far a running job is, as its worker told last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// From 0 to 1.
    pub fraction: f64,
    /// A word about it; may be empty.
    pub message: String,
}

impl Progress {
    /// A fraction beyond 0 or 1 is taken for the nearer of them, one that is no number for 0; a long message is shortened.
    pub fn new(fraction: f64, message: &str) -> Self {
        let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
        let end = message.floor_char_boundary(LONGEST);
        Progress { fraction, message: if end < message.len() { format!("{}…", &message[..end]) } else { message.to_owned() } }
    }

    /// The whole per cent that are done.
    pub fn percent(&self) -> u8 {
        // Between 0 and 100.
        (self.fraction * 100.0).floor() as u8
    }
}

/// The progress of one delivery.
#[derive(Debug, Clone)]
pub struct Progressed {
    /// The lease it was handed out under.
    pub token: Token,
    /// The handle it was handed out with.
    pub handle: u64,
    /// How far it is.
    pub progress: Progress,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_kept_within_bounds() {
        let fraction = |fraction| Progress::new(fraction, "").fraction;
        assert_eq!([f64::NAN, -1.0, 0.25, 7.0, f64::INFINITY].map(fraction), [0.0, 0.0, 0.25, 1.0, 1.0]);
        assert_eq!(Progress::new(0.999, "").percent(), 99);
        assert_eq!(Progress::new(1.0, &"ä".repeat(400)).message.chars().count(), 251);
    }
}
