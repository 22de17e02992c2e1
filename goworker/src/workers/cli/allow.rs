//! Which commands jobs may run: those that the configuration names, or any.

use std::borrow::Cow;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::EnumAccessDeserializer;
use serde::de::{self, EnumAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The commands that jobs may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Allow {
    /// These, letter by letter, as absolute paths.
    Only(Vec<String>),
    /// Whatever a job names.
    Any,
}

impl Allow {
    /// What is to be started for `command`; `folders` are those of `PATH`. Or why it may not be.
    pub(super) fn program<'a>(&self, command: &'a str, folders: &[PathBuf]) -> Result<Cow<'a, Path>, Refusal> {
        let path = Path::new(command);
        match self {
            Allow::Only(commands) if commands.iter().any(|allowed| allowed == command) => Ok(Cow::Borrowed(path)),
            Allow::Only(commands) => {
                let known = commands.join(", ");
                Err(Refusal::Never(format!("`{}` is not in `allow`; this worker runs {known}", command.escape_debug())))
            }
            Allow::Any if path.is_absolute() => Ok(Cow::Borrowed(path)),
            Allow::Any if command.is_empty() || command.contains('/') => {
                let message = "is neither an absolute path nor a bare name, which would be looked up in PATH";
                Err(Refusal::Never(format!("`{}` {message}", command.escape_debug())))
            }
            Allow::Any => match folders.iter().map(|folder| folder.join(command)).find(|path| is_program(path)) {
                Some(found) => Ok(Cow::Owned(found)),
                None => Err(Refusal::NotNow(format!("cannot start {}: it is in no folder of PATH", command.escape_debug()))),
            },
        }
    }
}

/// Why a command is not started.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It will never be.
    Never(String),
    /// It is not there now, as while a deploy replaces it.
    NotNow(String),
}

/// The folders in which the process that was started looks for commands. Relative ones would depend on where that was.
pub(super) fn folders_of_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect()
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

impl<'de> Deserialize<'de> for Allow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SomeOrAny;

        impl<'de> Visitor<'de> for SomeOrAny {
            type Value = Allow;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of commands such as [\"/usr/bin/ffmpeg\"], or `any`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Allow, A::Error> {
                let mut commands = Vec::new();
                while let Some(Command(command)) = list.next_element()? {
                    commands.push(command);
                }
                if commands.is_empty() {
                    return Err(de::Error::custom("the list is empty, so no job could run; name the commands by their absolute paths"));
                }
                Ok(Allow::Only(commands))
            }

            fn visit_enum<A: EnumAccess<'de>>(self, word: A) -> Result<Allow, A::Error> {
                Word::deserialize(EnumAccessDeserializer::new(word)).map(|Word::Any| Allow::Any)
            }
        }

        deserializer.deserialize_any(SomeOrAny)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Any,
}

/// An element of the list.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Command(String);

impl TryFrom<String> for Command {
    type Error = String;

    fn try_from(command: String) -> Result<Self, String> {
        if Path::new(&command).is_absolute() {
            return Ok(Command(command));
        }
        let command = command.escape_debug();
        Err(format!("`{command}` is not an absolute path; write it as in \"/usr/bin/ffmpeg\", no search path is used"))
    }
}

impl JsonSchema for Allow {
    fn schema_name() -> Cow<'static, str> {
        "Allow".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "array", "items": { "type": "string", "examples": ["/bin/date"] }, "minItems": 1 },
                { "oneOf": [{
                    "const": "any",
                    "description": "Whatever a job names, by an absolute path, or by a bare name that is looked up in the PATH that goworker was \
                                    started with. Whoever can give jobs in can run anything, as the user that goworker runs as.",
                }] },
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_command_is_an_absolute_path_or_a_name_in_path() {
        let folder = tempfile::tempdir().unwrap();
        let (tool, notes) = (folder.path().join("tool"), folder.path().join("notes"));
        std::fs::write(&tool, "#!/bin/sh\n").unwrap();
        std::fs::write(&notes, "no program\n").unwrap();
        std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(&notes, std::fs::Permissions::from_mode(0o644)).unwrap();
        let folders = ["/nowhere/at/all".into(), folder.path().to_owned()];
        let found = |command| Allow::Any.program(command, &folders).map(Cow::into_owned);
        assert_eq!(found("tool"), Ok(tool));
        assert_eq!(found("/bin/not there"), Ok("/bin/not there".into()));
        for absent in ["notes", "toool"] {
            assert!(matches!(found(absent), Err(Refusal::NotNow(_))), "{absent}");
        }
        for relative in ["./tool", "../tool", "sub/tool", ""] {
            assert!(matches!(found(relative), Err(Refusal::Never(_))), "{relative}");
        }
        assert!(Allow::Only(vec!["/bin/sh".into()]).program("sh", &folders).is_err());
    }

    #[test]
    fn relative_folders_of_path_are_passed_over() {
        assert!(folders_of_path().iter().all(|folder| folder.is_absolute()));
    }
}
