//! The default of a setting as RON, as far as its type can tell.
//!
//! `#[config(default = After::Remove)]` is Rust, and users of a config write `remove`: so the value is asked. A type that
//! serialises itself answers; of others, the Rust code is shown. Which of both it is, method lookup decides: it finds
//! [`InRon`] first, if its bound holds.

use serde::Serialize;

/// A value to be shown.
#[derive(Debug)]
pub struct Shown<T>(pub T);

/// How a value that serialises itself is shown.
pub trait InRon {
    /// The value as RON; `code` if it cannot be written so.
    fn text(&self, code: &str) -> String;
}

impl<T: Serialize> InRon for Shown<T> {
    fn text(&self, code: &str) -> String {
        ron::to_string(&self.0).unwrap_or_else(|_| code.to_owned())
    }
}

/// How any other value is shown.
pub trait InRust {
    /// The `code` it was made by.
    fn text(&self, code: &str) -> String;
}

impl<T> InRust for &Shown<T> {
    fn text(&self, code: &str) -> String {
        code.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Serialize)]
    #[serde(rename_all = "lowercase")]
    enum After {
        Remove,
    }

    struct Closed;

    /// The call as the macros write it.
    macro_rules! shown {
        ($value:expr) => {
            (&Shown($value)).text(stringify!($value))
        };
    }

    #[test]
    fn what_serialises_itself_is_shown_as_ron_and_all_else_as_rust() {
        assert_eq!(shown!(After::Remove), "remove");
        assert_eq!(shown!(BTreeMap::<String, u8>::new()), "{}");
        assert_eq!(shown!(crate::units::Dur::secs(90)), "\"1m 30s\"");
        assert_eq!(shown!(Closed), "Closed");
    }
}
