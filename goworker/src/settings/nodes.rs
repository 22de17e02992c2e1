//! `env("X")`, `env("X", "default")` and `secret(..)`: values that are not in the file.

use std::env::VarError;
use std::path::PathBuf;

use serde::Deserialize;

use super::parts::{self, parse};
use super::value::Value;

/// Text from outside of the file. Nothing that is said of it may quote it.
pub(super) struct Given {
    pub(super) text: String,
    /// Where it comes from, in words.
    pub(super) from: String,
}

impl<'a, 's> Value<'a, 's> {
    /// The arguments with their brackets, if this is `name(..)`.
    pub(super) fn call(self, name: &str) -> Option<&'a str> {
        self.raw.strip_prefix(name).map(str::trim_start).filter(|rest| rest.starts_with('('))
    }

    /// The one argument, if this is `name(..)` with one.
    pub(super) fn argument(self, name: &str) -> Option<Value<'a, 's>> {
        Value { raw: self.call(name)?, ..self }.only()
    }

    /// The one value in brackets, if this is `(..)` with one.
    pub(super) fn only(self) -> Option<Value<'a, 's>> {
        match parts::tuple(self.source, self.raw).ok()?.as_slice() {
            [raw] => Some(Value { raw, ..self }),
            _ => None,
        }
    }

    /// What the environment gives, if this is `env("X")` or `env("X", "default")`.
    pub(super) fn environment(self) -> Result<Option<Given>, ron::Error> {
        let Some(arguments) = self.call("env") else { return Ok(None) };
        self.source.note_foreign(self.raw);
        let one = parse(self.source, arguments, |ron| <(String,)>::deserialize(ron).map(|(name,)| (name, None)));
        let two = || parse(self.source, arguments, |ron| <(String, String)>::deserialize(ron).map(|(name, text)| (name, Some(text))));
        let Ok((name, default)) = one.or_else(|_| two()) else {
            return Err(self.error("write `env(\"NAME\")`, or `env(\"NAME\", \"default\")` with both in quotes"));
        };
        match ((self.source.variables)(&name), default) {
            (Ok(text), _) => Ok(Some(Given { text, from: format!("the environment variable `{name}`") })),
            (Err(VarError::NotPresent), Some(text)) => Ok(Some(Given { text, from: format!("the default of `{name}`") })),
            (Err(VarError::NotPresent), None) => {
                Err(self.error(format!("the environment has no variable `{name}`, and there is no default")))
            }
            (Err(VarError::NotUnicode(_)), _) => Err(self.error(format!("the environment variable `{name}` is not UTF-8"))),
        }
    }

    /// The text of a setting that is a secret, if it is not plainly in the file.
    pub(super) fn secret(self) -> Result<Option<String>, ron::Error> {
        if let Some(arguments) = self.call("env") {
            if let Some((_, default)) = arguments.split_once(',') {
                self.source.hide_literals(default);
            }
            return Ok(self.environment()?.map(|given| given.text));
        }
        if self.call("secret").is_none() {
            self.source.hide(self.raw);
            return Ok(None);
        }
        let form = "write `secret(file(\"/path\"))` or `secret(env(\"NAME\"))`";
        let Some(from) = self.argument("secret") else { return Err(self.misuse(form)) };
        if from.call("env").is_some() {
            return from.secret();
        }
        let path = from.call("file").and_then(|path| parse(self.source, path, |ron| <(PathBuf,)>::deserialize(ron)).ok());
        let Some((path,)) = path else { return Err(self.misuse(form)) };
        match std::fs::read_to_string(self.source.base.join(&path)) {
            // Editors end files with a newline, which is no part of a password.
            Ok(text) => Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned())),
            Err(error) => Err(self.error(format!("cannot read the secret `{}`: {error}", path.display()))),
        }
    }

    /// Refuses `secret(..)` in a setting of which nobody promises that it is not shown.
    pub(super) fn no_secret(self) -> Result<(), ron::Error> {
        match self.call("secret") {
            Some(_) => Err(self.misuse("a secret cannot be given here: this setting may be shown")),
            None => Ok(()),
        }
    }

    /// An error about `secret(..)`. Whoever writes the secret itself into it does not want to read it in the error.
    fn misuse(self, message: &str) -> ron::Error {
        let is_literal = |arguments: &str| arguments.trim_start_matches(['(', ' ']).starts_with(|c: char| !c.is_alphabetic());
        if let Some(arguments) = self.call("secret").filter(|arguments| is_literal(arguments)) {
            self.source.hide_literals(arguments);
        }
        self.error(message)
    }
}
