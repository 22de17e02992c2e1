//! All mistakes in one value, although serde stops at the first.
//!
//! A value is read in passes. What was wrong in one pass is mended for the next, so that serde gets further: a part that
//! is wrong is left out, and a field that is missing is filled. What is read so is never used, but for its mistakes.

use std::cell::RefCell;
use std::marker::PhantomData;

use serde::de::Deserialize;

use super::fault::{Fault, joined};
use super::source::{SourceText, Span};
use super::value::Value;

/// Enough mistakes in one value to be told at once.
const MOST_PASSES: usize = 100;

/// Reads `raw`, a part of the source, as `T`, or tells all mistakes in it.
pub(crate) fn read<'a, T: Deserialize<'a>>(source: &'a SourceText<'a>, raw: &'a str) -> Result<T, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut cures = Cures::default();
    for _ in 0..MOST_PASSES {
        let pass = Pass { cures, trouble: RefCell::default() };
        let whole = Value { source, raw, pass: &pass };
        let error = match whole.part("", PhantomData::<T>) {
            Ok(value) if faults.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(error) => error,
        };
        let Some(Trouble { span, path, cure, is_told, first }) = pass.trouble.take() else { break };
        if !is_told {
            faults.push(Fault { span, path, error, first: first.map(Box::new) });
        }
        cures = pass.cures;
        if cure == Cure::LeaveOut(source.span(raw)) || cures.0.contains(&cure) {
            break;
        }
        cures.0.push(cure);
    }
    Err(faults)
}

/// One pass over a value.
pub(super) struct Pass {
    pub(super) cures: Cures,
    /// Why it ended: parts fail before what they are in.
    trouble: RefCell<Option<Trouble>>,
}

/// A mistake, and how the next pass gets past it.
struct Trouble {
    span: Span,
    /// From the whole value to the part.
    path: String,
    cure: Cure,
    /// It only follows from a cure.
    is_told: bool,
    /// Where the same stands first, if it is given twice.
    first: Option<Span>,
}

/// What was mended so far.
#[derive(Default)]
pub(super) struct Cures(Vec<Cure>);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cure {
    /// The part, or the entry of that name, is not shown to serde.
    LeaveOut(Span),
    /// The part gets a field of that name.
    Fill(Span, &'static str),
}

impl Cures {
    pub(super) fn leaves_out(&self, part: &Span) -> bool {
        self.0.iter().any(|cure| matches!(cure, Cure::LeaveOut(span) if span == part))
    }

    /// The names of the fields that a part gets.
    pub(super) fn filled(&self, part: &Span) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter_map(move |cure| match cure {
            Cure::Fill(span, name) if span == part => Some(*name),
            _ => None,
        })
    }

    /// Whether anything in a part is not what the file says.
    fn concern(&self, part: &Span) -> bool {
        self.0.iter().any(|(Cure::LeaveOut(span) | Cure::Fill(span, _))| part.start <= span.start && span.end <= part.end)
    }
}

impl Pass {
    /// Notes that `part` cannot be read, because of what is at `place`.
    pub(super) fn fail(&self, part: Span, place: Span) {
        let is_told = self.cures.concern(&part);
        self.note(Trouble { span: place, path: String::new(), cure: Cure::LeaveOut(part), is_told, first: None });
    }

    /// Notes that an entry has a wrong name.
    pub(super) fn fail_at_name(&self, name: &str, place: Span) {
        self.fail_at_entry(name, place, None);
    }

    /// Notes that an entry has the name of one before it.
    pub(super) fn fail_twice(&self, name: &str, place: Span, first: Span) {
        self.fail_at_entry(name, place, Some(first));
    }

    fn fail_at_entry(&self, name: &str, place: Span, first: Option<Span>) {
        self.note(Trouble { span: place.clone(), path: name.to_owned(), cure: Cure::LeaveOut(place), is_told: false, first });
    }

    /// Notes that `part` misses a field; `is_told` if it is there, but wrong or under a wrong name.
    pub(super) fn miss(&self, part: Span, head: Span, name: &'static str, is_told: bool) {
        let is_told = is_told && self.cures.concern(&part);
        self.note(Trouble { span: head, path: name.to_owned(), cure: Cure::Fill(part, name), is_told, first: None });
    }

    fn note(&self, trouble: Trouble) {
        self.trouble.borrow_mut().get_or_insert(trouble);
    }

    /// Notes in what the part stands that has failed.
    pub(super) fn within(&self, step: &str) {
        if let Some(Trouble { path, .. }) = self.trouble.borrow_mut().as_mut() {
            *path = joined(step, path);
        }
    }
}
