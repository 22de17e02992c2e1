//! The pages for users, followed word by word as a reader does, in an empty folder.
//!
//! A block after a line that ends with `` `path`: `` is that file; with `` Add to `path`: `` it goes to the file's end. An `sh` block
//! is run, and a `text` block after it is what it prints, where `…` stands for anything. Any other block fails the test.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use goworker_tests::daemon::Sandbox;
use goworker_tests::own_crates::workshop;
use goworker_tests::redis_server::RedisServer;

use crate::BINARY;
use crate::command_line::{repository, text};

/// Pages that a test of their own looks after: two are generated, and one has commands that take half an hour.
const LOOKED_AFTER: [&str; 3] = ["reference.md", "macro-mistakes.md", "compared.md"];

/// A fenced block.
#[derive(Debug, Default)]
struct Block {
    /// Where it begins: `page.md:12`.
    place: String,
    language: String,
    /// The last line of prose before it; empty if another block is between.
    announced: String,
    body: String,
}

fn blocks(page: &str, content: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut announced = String::new();
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(content.lines()) {
        let place = format!("{page}:{number}");
        assert!(line.starts_with("```") || !line.trim_start().starts_with("```"), "{place}: a block may not be indented");
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                open = Some(Block { place, language: language.to_owned(), announced: std::mem::take(&mut announced), ..Block::default() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.body += &format!("{line}\n"),
            (None, None) if line.is_empty() => {}
            (None, None) => line.clone_into(&mut announced),
        }
    }
    assert!(open.is_none(), "{page}: a block is not closed");
    blocks
}

/// Does the pages' bidding, in a folder which is empty but for what cargo is told: to build with what is here already.
struct Reader {
    sandbox: Sandbox,
    /// Where the shell is.
    here: PathBuf,
    /// What the last block printed, if it was a command and nothing else came since.
    printed: Option<String>,
}

impl Reader {
    fn new() -> Self {
        let sandbox = workshop(BINARY);
        fs::create_dir(sandbox.path("work")).unwrap();
        Reader { here: sandbox.path("work"), sandbox, printed: None }
    }

    fn follow(&mut self, block: &Block) {
        let Block { place, language, announced, body } = block;
        let printed = self.printed.take();
        let file = announced.strip_suffix("`:").and_then(|line| line.rsplit_once('`'));
        match (language.as_str(), file) {
            ("text", None) => {
                let printed = printed.unwrap_or_else(|| panic!("{place}: nothing was run whose output this could be"));
                assert!(fits(body, &printed), "{place}: the page shows\n{body}\nand this was printed:\n{printed}");
            }
            ("sh", None) => self.printed = Some(self.run(place, body)),
            (_, Some((words, path))) => self.write(place, path, body, words.ends_with("Add to ")),
            _ => panic!("{place}: nobody checks this block: it has to be a file, a command or what one prints"),
        }
    }

    fn write(&self, place: &str, name: &str, body: &str, added: bool) {
        let path = self.here.join(name);
        let before = fs::read_to_string(&path).ok();
        assert!(before.is_some() || !added, "{place}: there is no {name} yet");
        // Through another path, cargo would take it for another crate, and build it again.
        let body = body.replace("../goworker/goworker", repository().join("goworker").to_str().unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, before.filter(|_| added).unwrap_or_default() + &body).unwrap();
    }

    /// Runs a block, which has to succeed, or to exit with what its last comment says; answers what it printed.
    fn run(&mut self, place: &str, commands: &str) -> String {
        let afterwards = self.sandbox.path("afterwards");
        // Python is the system's, which has the packages that `tests/run` installs.
        let tools = [self.sandbox.path("bin"), "/usr/bin".into()];
        let inherited = std::env::var_os("PATH").unwrap();
        let path = tools.into_iter().chain(std::env::split_paths(&inherited));
        let output = Command::new("sh")
            .args(["-e", "-c", &format!("exec 2>&1\ntrap 'pwd > {}' EXIT\n{commands}", afterwards.display())])
            .current_dir(&self.here)
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            // What the tests around this one are told about snapshots.
            .env_remove("INSTA_UPDATE")
            .env_remove("INSTA_FORCE_PASS")
            .env_remove("CI")
            .output()
            .unwrap();
        let printed = text(&output.stdout);
        let expected = commands.trim_end().rsplit_once("# exits with ").map_or(0, |(_, code)| code.parse().unwrap());
        assert_eq!(output.status.code(), Some(expected), "{place}: it printed\n{printed}");
        self.here = fs::read_to_string(afterwards).unwrap().trim_end().into();
        printed
    }
}

/// Whether a text is as a page shows it; `…` stands for anything.
fn fits(shown: &str, printed: &str) -> bool {
    let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let (shown, printed) = (trimmed(shown), trimmed(printed));
    let Some((first, others)) = shown.split_once('…') else { return shown == printed };
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    let (middle, last) = others.rsplit_once('…').map_or(("", others), |(middle, last)| (middle, last));
    for part in middle.split('…') {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn follow(page: &str) {
    follow_as(page, |content| content);
}

/// Follows a page, of which something is different here.
fn follow_as(page: &str, change: impl FnOnce(String) -> String) {
    let content = change(fs::read_to_string(repository().join("goworker/docs").join(page)).unwrap());
    let mut reader = Reader::new();
    blocks(page, &content).iter().for_each(|block| reader.follow(block));
}

#[test]
fn a_worker_can_be_written_by_the_page() {
    follow("write-a-worker.md");
}

#[test]
fn a_job_can_be_written_in_lua_by_the_page() {
    follow("write-a-lua-job.md");
}

#[test]
fn a_provider_can_be_written_by_the_page() {
    follow("write-a-provider.md");
}

#[test]
fn a_pipeline_can_be_tested_by_the_page() {
    follow("test-a-pipeline.md");
}

#[test]
fn jobs_are_given_in_from_other_languages_by_the_page() {
    let server = RedisServer::start();
    let port = server.url().rsplit_once(':').unwrap().1.trim_end_matches('/').to_owned();
    follow_as("redis-layout.md", |content| content.replace("6379", &port));
}

#[test]
fn who_comes_from_goworker_moves_over_by_the_page() {
    let server = RedisServer::start();
    follow_as("goworker.md", |content| content.replace("6379", &server.port().to_string()));
}

#[test]
fn no_page_is_without_a_follower() {
    let followed = include_str!("pages.rs");
    for page in fs::read_dir(repository().join("goworker/docs")).unwrap() {
        let page = page.unwrap().file_name().into_string().unwrap();
        assert!(
            LOOKED_AFTER.contains(&page.as_str())
                || ["follow", "follow_as"].iter().any(|call| followed.contains(&format!("{call}(\"{page}\""))),
            "nobody follows {page}"
        );
    }
}

#[test]
fn a_page_that_does_not_tell_the_truth_is_found_out() {
    for (page, complaint) in [
        ("```rust\nfn main() {}\n```\n", "page.md:1: nobody checks this block"),
        ("```text\nhello\n```\n", "page.md:1: nothing was run"),
        ("```sh\necho hello\n```\n```text\ngood bye\n```\n", "page.md:4: the page shows\ngood bye"),
        ("```sh\nfalse\n```\n", "page.md:1: it printed"),
        ("Add to `a.txt`:\n\n```text\nx\n```\n", "page.md:3: there is no a.txt yet"),
        ("* ```sh\n  ```\n", "page.md:2: a block may not be indented"),
    ] {
        let failed = std::panic::catch_unwind(|| {
            let mut reader = Reader::new();
            blocks("page.md", page).iter().for_each(|block| reader.follow(block));
        });
        let failed = failed.expect_err(page);
        let message = failed.downcast_ref::<String>().unwrap();
        assert!(message.contains(complaint), "{message}");
    }
    let mut reader = Reader::new();
    let page = "`a/b.txt`:\n\n```text\none\n```\n\nAdd to `a/b.txt`:\n```text\ntwo\n```\n```sh\ncd a\ncat b.txt\n```\n```text\none\n…o\n```\n```sh\npwd\nexit 3 # exits with 3\n```\n```text\n…/work/a\n```\n";
    blocks("page.md", page).iter().for_each(|block| reader.follow(block));
}
