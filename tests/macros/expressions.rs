//! Defaults and ranges are expressions of the user's module: nothing of what the macros write is in their sight.

use goworker::{Context, Job, WorkResult, Worker, worker};

use super::{built, table};

fn quality() -> u8 {
    85
}

fn reader() -> u8 {
    2
}

fn value() -> u8 {
    3
}

fn read_quality() -> u8 {
    4
}

fn given() -> i8 {
    9
}

#[allow(non_upper_case_globals, reason = "a setting is called so too")]
const least: u8 = 1;

/// Has settings that are called as the functions of its defaults are.
#[worker]
struct Shadow {
    /// The first.
    #[config(default = quality(), range = least..=quality())]
    quality: u8,
    /// Its default calls a function of the first's name.
    #[config(default = quality(), range = least..)]
    other: u8,
    /// Its name is that of a variable of the macros.
    #[config(default = reader() + read_quality())]
    reader: u8,
    /// So are these.
    #[config(default = value() + reader())]
    value: u8,
    /// An optional one.
    #[config(default = Some(given()), range = -given()..=given())]
    given: Option<i8>,
    /// Its name is that of a constant.
    #[config(default = least)]
    least: u8,
}

impl Worker for Shadow {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        let Shadow { quality, other, reader, value, given, .. } = self;
        Ok(serde_json::json!([quality, other, reader, value, given, self.least]).into())
    }
}

#[test]
fn a_default_may_call_what_is_named_as_a_setting_is() {
    assert_eq!(built("shadow()"), Ok(()));
    assert!(built("shadow(other: 0)").unwrap_err().contains("`other` is 0; 1.. is allowed"));
    assert!(built("shadow(given: -10)").unwrap_err().contains("`given` is -10; -9..=9 is allowed"));
    insta::assert_snapshot!(table(goworker::Registry::linked().worker("shadow").unwrap()));
}

/// What the macros write names everything by its whole path.
mod bare {
    #![no_implicit_prelude]

    use ::goworker::{Context, Job, Output, WorkResult, Worker, worker};

    /// Has types that are called as those of the standard library are.
    #[allow(dead_code, reason = "they are in the way")]
    mod shadows {
        pub(super) struct Option;
        pub(super) struct Result;
        pub(super) struct String;
        pub(super) struct Vec;
    }
    #[allow(unused_imports, reason = "they are in the way")]
    use shadows::{Option, Result, String, Vec};

    /// Has settings of all sorts.
    #[worker]
    struct Spartan {
        /// A text.
        #[config(default = "x")]
        text: ::std::string::String,
        /// A number.
        #[config(default = 3, range = 1..=9)]
        number: ::std::option::Option<u8>,
        #[state]
        done: u8,
    }

    impl Worker for Spartan {
        async fn work(&self, _: &Job, _: &Context) -> WorkResult {
            Output::of(&(&self.text, self.number, self.done)).map_err(::std::convert::Into::into)
        }
    }

    /// Takes everything by its name.
    #[worker]
    fn laconic(
        params: ::std::vec::Vec<u8>,
        /// A text.
        #[config(default = "x")]
        text: &str,
        /// A number.
        #[config]
        number: u8,
    ) -> ::std::result::Result<u8, ::std::fmt::Error> {
        match (params.first(), text) {
            (::std::option::Option::Some(first), "x") => ::std::result::Result::Ok(*first + number),
            _ => ::std::result::Result::Err(::std::fmt::Error),
        }
    }
}

#[test]
fn what_is_written_depends_on_no_name_in_scope() {
    assert_eq!(built("spartan(text: \"y\")"), Ok(()));
    assert_eq!(built("laconic(number: 3)"), Ok(()));
}
