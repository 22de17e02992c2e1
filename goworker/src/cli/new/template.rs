//! `new worker`, `new provider`: a small crate that builds, and passes its test, as it is written.
//!
//! The templates are the files in the folders beside this one, written for a plugin `my_worker` or `my_provider`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::cli::fault::Fault;
use crate::cli::terminal;
use crate::registry::Registry;

/// Which plugin, and where.
#[derive(Debug, clap::Args)]
#[command(after_help = "Nothing that is there already is overwritten. `cargo test` in the new folder shows that it works.")]
pub(super) struct NewCrate {
    /// The name of the crate and of the plugin, such as `resize` or `send-mail`
    #[arg(value_parser = name)]
    name: String,
    /// The folder to write; by default one of that name in the current folder
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    path: Option<PathBuf>,
    /// The folder of the goworker crate that it is built with; by default the one that this program was built from
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    goworker: Option<PathBuf>,
}

/// The files of a crate, with what stands in them for the name.
pub(super) struct Template {
    name: &'static str,
    manifest: &'static str,
    main: &'static str,
    plugin: &'static str,
    config: &'static str,
}

pub(super) const WORKER: Template = Template {
    name: "my-worker",
    manifest: include_str!("worker/manifest.toml"),
    main: include_str!("worker/main.rs"),
    plugin: include_str!("worker/plugin.rs"),
    config: include_str!("worker/config.ron"),
};

pub(super) const PROVIDER: Template = Template {
    name: "my-provider",
    manifest: include_str!("provider/manifest.toml"),
    main: include_str!("provider/main.rs"),
    plugin: include_str!("provider/plugin.rs"),
    config: include_str!("provider/config.ron"),
};

/// What must not be kept under version control.
const IGNORED: &str = include_str!("gitignore");
/// Stands for the folder of goworker in a manifest.
const GOWORKER: &str = "GOWORKER";

impl NewCrate {
    pub(super) fn execute(self, template: &Template, registry: &Registry) -> Result<(), Fault> {
        let kind = self.name.replace('-', "_");
        if registry.provider(&kind).or_else(|| registry.worker(&kind)).is_some() {
            return Err(Fault::Usage(format!("`{kind}` is a kind that this program has already; choose another name")));
        }
        let goworker = self.goworker.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        let goworker = source_of(&goworker).map_err(Fault::Usage)?;
        let folder = self.path.unwrap_or_else(|| PathBuf::from(&self.name));
        if fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Fault::Usage(format!("{} is not empty, and stays as it is; `--path` names another folder", folder.display())));
        }
        for (name, text) in template.files(&self.name, &goworker) {
            let path = folder.join(name);
            write(&path, &text).map_err(|error| Fault::Failed(format!("{} cannot be written: {error}", path.display())))?;
            terminal::print(&format!("{}\n", path.display()))?;
        }
        terminal::note(&format!("`cargo test` in {} runs its test", folder.display()));
        Ok(())
    }
}

impl Template {
    /// The files of the crate `name`, by their path.
    fn files(&self, name: &str, goworker: &str) -> Vec<(String, String)> {
        let named = |text: &str| {
            let words = [kebab, snake, camel].map(|written| (written(self.name), written(name)));
            words.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
        };
        vec![
            ("Cargo.toml".to_owned(), named(self.manifest).replace(&format!("\"{GOWORKER}\""), &format!("{goworker:?}"))),
            (".gitignore".to_owned(), IGNORED.to_owned()),
            (format!("{name}.ron"), named(self.config)),
            ("src/main.rs".to_owned(), named(self.main)),
            (format!("src/{}.rs", snake(name)), named(self.plugin)),
        ]
    }
}

/// `send-mail`, for crates and files.
fn kebab(name: &str) -> String {
    name.to_owned()
}

/// `send_mail`, for kinds, functions and modules.
fn snake(name: &str) -> String {
    name.replace('-', "_")
}

/// `SendMail`, for types.
fn camel(name: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split(['-', '_']).filter(|word| !word.is_empty()).map(capital).collect()
}

/// A name that a crate, a kind and a module can have.
fn name(name: &str) -> Result<String, String> {
    const KEYWORDS: &str = " abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen \
        if impl in let loop macro match mod move mut override priv pub ref return self static struct super trait true try type typeof \
        unsafe unsized use virtual where while yield main test core std alloc goworker ";
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(allowed) || name.len() > 64 {
        return Err("a name is up to 64 characters of a-z 0-9 - _, and begins with a letter".to_owned());
    }
    if KEYWORDS.contains(&format!(" {name} ")) {
        return Err("this word means something else in Rust; choose another".to_owned());
    }
    Ok(name.to_owned())
}

/// The folder of goworker's own crate, as it is written into a manifest.
fn source_of(folder: &Path) -> Result<String, String> {
    let found = fs::canonicalize(folder).ok().filter(|folder| folder.join("Cargo.toml").is_file());
    let found = found.ok_or_else(|| format!("{} is not the folder of a crate; `--goworker` says where goworker's is", folder.display()))?;
    found.to_str().map(str::to_owned).ok_or_else(|| format!("{} cannot be written into a Cargo.toml", found.display()))
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(template: &Template, name: &str) -> String {
        let files = template.files(name, "/src/goworker");
        files.iter().map(|(path, text)| format!("==> {path}\n{text}")).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_crate_has_the_name_everywhere() {
        insta::assert_snapshot!(shown(&WORKER, "send-mail"));
        let provider = shown(&PROVIDER, "shop_orders");
        assert!(provider.contains("pub struct ShopOrders {") && provider.contains("src/shop_orders.rs"), "{provider}");
        assert!(!provider.to_lowercase().replace('_', "-").contains("my-provider"), "{provider}");
    }

    #[test]
    fn a_name_is_one_for_a_crate_a_kind_and_a_module() {
        for good in ["resize", "send-mail", "x_1"] {
            assert_eq!(name(good), Ok(good.to_owned()));
        }
        for bad in ["", "-a", "1a", "Mail", "a b", "../a", "näh", "async", "goworker"] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
