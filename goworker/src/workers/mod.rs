//! The workers that come with goworker.

mod lua;
