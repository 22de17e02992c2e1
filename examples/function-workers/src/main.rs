//! Workers that are functions: the params come in, the output goes out, and settings are arguments too.
//!
//!     cargo run -p function-workers -- examples/function-workers/texts.ron --until-idle

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use goworker::{Context, worker};
use serde::{Deserialize, Serialize};

/// Turns the letters of a text around.
#[worker]
fn reverse(text: String) -> String {
    text.chars().rev().collect()
}

/// What `count` is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    /// Relative to the folder of the texts.
    file: PathBuf,
}

/// What `count` answers.
#[derive(Debug, Serialize)]
struct Counted {
    lines: usize,
    words: usize,
}

/// Counts the lines and words of a file.
#[worker]
async fn count(
    Text { file }: Text,
    ctx: &Context,
    /// The folder of the texts.
    #[config(default = ".")]
    folder: &Path,
    /// How long a word is, at least.
    #[config(default = 1, range = 1..=20)]
    letters: usize,
) -> anyhow::Result<Counted> {
    // An error is tried again, when the config's `retry` says so.
    let path = folder.join(file);
    let text = tokio::fs::read_to_string(&path).await.with_context(|| format!("{} cannot be read", path.display()))?;
    ensure!(!text.is_empty(), "{} is empty, at attempt {}", path.display(), ctx.attempt());
    let words = text.split_whitespace().filter(|word| word.chars().count() >= letters).count();
    Ok(Counted { lines: text.lines().count(), words })
}

fn main() -> std::process::ExitCode {
    goworker::cli::main()
}

#[cfg(test)]
mod tests {
    use goworker::testing::Pipeline;
    use insta::assert_snapshot;

    #[test]
    fn texts_are_turned_around_and_counted() {
        let mut texts = Pipeline::load("texts.ron");
        texts.feed(r#"{"type": "reverse", "params": "drawer"}"#);
        texts.feed(r#"{"type": "count", "params": {"file": "no/such/file.txt"}}"#);
        assert_snapshot!(texts.run(), @r#"
        t+0.000s  jobs     accepted   reverse #1
        t+0.000s  jobs     accepted   count #2
        t+0.000s  jobs     delivered  reverse #1
        t+0.000s  jobs     delivered  count #2
        t+0.000s  reverse  attempt 1  reverse #1  done "reward"
        t+0.000s  count    attempt 1  count #2    again in 100ms: ././no/such/file.txt cannot be read: No such file or directory (os error 2)
        t+0.100s  jobs     delivered  count #2
        t+0.100s  count    attempt 2  count #2    dead: ././no/such/file.txt cannot be read: No such file or directory (os error 2)
        "#);
    }
}
