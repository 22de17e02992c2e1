//! Reads the fields of one config entry, and notes every mistake.

use std::fmt::Debug;
use std::ops::RangeBounds;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

/// The fields of one config entry, taken one by one.
#[derive(Debug)]
pub struct Reader<'a> {
    _entry: &'a str,
}

impl Reader<'_> {
    /// The field of that name, which has to be there. `None` if it is not or is wrong: the mistake is noted.
    pub fn required<T: DeserializeOwned + JsonSchema + 'static>(&mut self, _name: &'static str) -> Option<T> {
        None
    }

    /// The field of that name, or `default()` if it is left out. `None` if it is wrong: the mistake is noted.
    pub fn optional<T: DeserializeOwned + JsonSchema + 'static>(&mut self, _name: &'static str, default: impl FnOnce() -> T) -> Option<T> {
        Some(default())
    }

    /// Passes `value` on if it is in `range`; otherwise notes the mistake at the field's value.
    pub fn within<T: PartialOrd + Debug>(
        &mut self,
        _name: &'static str,
        value: Option<T>,
        _range: impl RangeBounds<T> + Debug,
    ) -> Option<T> {
        value
    }
}
