//! The provider through the public door, with real files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use goworker::{Cause, Clock, Failure, Ids, Job, Output, Plugin, ProviderHandle, Settlement, Timestamp};
use tempfile::TempDir;
use tokio::time::sleep;

use super::*;

struct Bench {
    folder: TempDir,
    setup: Setup,
    provider: ProviderHandle,
}

fn settings(folder: &TempDir) -> FolderConfig {
    FolderConfig {
        path: folder.path().join("inbox"),
        after: After::Remove,
        failed: None,
        quiet: Dur::secs(1),
        limit: Size(1 << 20),
        check_interval: Dur::secs(5),
        samples: None,
    }
}

async fn start(folder: FolderConfig, setup: &Setup) -> anyhow::Result<ProviderHandle> {
    let Plugin::Provider(provider) = Plugin::provider(Folder::from(folder)) else { unreachable!() };
    provider.start(setup).await
}

impl Bench {
    /// On a clock so far ahead that every file was written long ago.
    async fn new() -> Self {
        Bench::with(|folder| folder).await
    }

    async fn with(change: impl FnOnce(FolderConfig) -> FolderConfig) -> Self {
        Bench::at("2500-01-01T00:00:00Z".parse().unwrap(), change).await
    }

    async fn at(now: Timestamp, change: impl FnOnce(FolderConfig) -> FolderConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut setup = Setup::new("inbox", folder.path());
        setup.clock = Clock::starting_at(now);
        let provider = start(change(settings(&folder)), &setup).await.unwrap();
        Bench { folder, setup, provider }
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join("inbox").join(name)
    }

    fn write(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    fn names(&self, under: &str) -> Vec<String> {
        let names = fs::read_dir(self.path(under)).unwrap();
        let mut names: Vec<String> = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    async fn fetch(&self, limit: usize) -> Batch {
        let fetched = timeout(Duration::from_secs(20), self.provider.fetch(&Demand::Any(limit))).await;
        fetched.expect("the folder must not block").unwrap()
    }

    async fn settle(&self, batch: &Batch, settlement: Settlement) -> Vec<usize> {
        self.provider.settle(&settled(batch, settlement)).await.unwrap()
    }
}

fn settled(batch: &Batch, settlement: Settlement) -> Vec<Settled> {
    let settle = |delivery: &goworker::Delivery| Settled {
        token: batch.lease.token,
        handle: delivery.handle,
        job: Arc::clone(&delivery.job),
        attempt: None,
        settlement: settlement.clone(),
    };
    batch.deliveries.iter().map(settle).collect()
}

fn part(batch: &Batch, which: std::ops::Range<usize>) -> Batch {
    Batch { deliveries: batch.deliveries[which].to_vec(), ..batch.clone() }
}

fn done() -> Settlement {
    Settlement::Done { output: Output::none() }
}

fn dead(handlers: Vec<Arc<Job>>) -> Settlement {
    Settlement::Dead { failure: Failure::new(Cause::Error, "card declined"), handlers }
}

fn ids(batch: &Batch) -> Vec<String> {
    batch.deliveries.iter().map(|delivery| delivery.job.id.to_string()).collect()
}

fn lines(names: &[&str]) -> String {
    names.iter().map(|id| format!("{{\"id\":\"{id}\",\"type\":\"x\"}}\n")).collect()
}

fn make_fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
}

#[tokio::test]
async fn files_come_in_the_order_of_their_names_and_go_when_they_are_done() {
    let bench = Bench::new().await;
    bench.write("c.ndjson", lines(&["c1", "c2"]));
    bench.write("a.json", r#"{"id":"a1","type":"x"}"#);
    bench.write("b.json", r#"[{"id":"b1","type":"x"},{"id":"b2","type":"x"}]"#);
    let batch = bench.fetch(100).await;
    assert_eq!(ids(&batch), ["a1", "b1", "b2", "c1", "c2"]);
    assert_eq!(bench.names(""), ["a.json", "b.json", "c.ndjson", "failed"]);
    assert!(bench.settle(&batch, done()).await.is_empty());
    assert_eq!(bench.names(""), ["failed"]);
    assert!(bench.fetch(100).await.deliveries.is_empty());
}

#[tokio::test]
async fn a_file_goes_only_when_all_its_jobs_are_settled() {
    let bench = Bench::new().await;
    bench.write("a.jsonl", lines(&["1", "2", "3"]));
    let (first, second) = (bench.fetch(2).await, bench.fetch(2).await);
    assert_eq!((ids(&first), ids(&second)), (vec!["1".into(), "2".into()], vec!["3".into()]));
    assert!(bench.fetch(2).await.deliveries.is_empty());
    bench.settle(&second, done()).await;
    bench.settle(&part(&first, 0..1), Settlement::Cancelled).await;
    assert!(bench.path("a.jsonl").exists());
    bench.settle(&part(&first, 1..2), done()).await;
    assert!(!bench.path("a.jsonl").exists());
}

#[tokio::test]
async fn a_second_settlement_is_refused_and_changes_nothing() {
    let bench = Bench::new().await;
    bench.write("a.jsonl", lines(&["1", "2"]));
    let batch = bench.fetch(2).await;
    assert!(bench.settle(&part(&batch, 0..1), done()).await.is_empty());
    assert_eq!(bench.settle(&batch, dead(vec![])).await, [0], "the first was settled before");
    assert_eq!(bench.settle(&batch, done()).await, [0, 1], "the file is gone");
    let twice = [settled(&batch, done()), settled(&batch, done())].concat();
    assert_eq!(bench.provider.settle(&twice).await.unwrap(), [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_job_given_back_is_handed_out_again_under_a_larger_token() {
    let bench = Bench::new().await;
    bench.write("a.jsonl", lines(&["1", "2"]));
    let first = bench.fetch(2).await;
    bench.settle(&first, Settlement::Release).await;
    let second = bench.fetch(2).await;
    assert_eq!(ids(&second), ["1", "2"]);
    assert!(second.lease.token > first.lease.token);
    assert_eq!(bench.settle(&first, done()).await, [0, 1]);
    bench.settle(&second, done()).await;
    assert!(!bench.path("a.jsonl").exists());
}

#[tokio::test(start_paused = true)]
async fn a_half_written_file_is_left_alone_until_it_is_complete() {
    let bench = Bench::at(Clock::system().now(), |folder| folder).await;
    bench.write("a.jsonl", "{\"id\":\"1\",\"type\":\"x\"}\n{\"id\":\"2\",");
    let write_the_rest = async {
        sleep(Duration::from_millis(600)).await;
        bench.write("a.jsonl", lines(&["1", "2"]));
    };
    let (batch, ()) = tokio::join!(bench.fetch(10), write_the_rest);
    assert_eq!(ids(&batch), ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_folder_with_only_fresh_files_is_not_empty() {
    let bench = Bench::at(Clock::system().now(), |folder| folder).await;
    bench.write("a.jsonl", lines(&["1"]));
    let before = tokio::time::Instant::now();
    assert_eq!(ids(&bench.fetch(10).await), ["1"]);
    assert!(before.elapsed() <= Duration::from_secs(2), "{:?}", before.elapsed());
}

#[tokio::test]
async fn names_of_unfinished_and_other_files_are_never_read() {
    let bench = Bench::new().await;
    for name in [".a.json", "a.json.tmp", "a.json.part", "notes.txt", "a.json~"] {
        bench.write(name, lines(&["1"]));
    }
    assert!(bench.fetch(10).await.deliveries.is_empty());
    assert_eq!(bench.names("").len(), 6);
}

#[tokio::test]
async fn a_bad_file_is_moved_aside_whole_with_the_reason_beside_it() {
    let bench = Bench::new().await;
    bench.write("a.jsonl", "{\"id\":\"1\",\"type\":\"x\"}\n{\"id\":\"2\",\"type\":\"x\",\"retries\":\"many\"}\n");
    bench.write("b.json", "{\"type\":");
    bench.write("c.json", r#"{"id":"good","type":"x"}"#);
    bench.write("d.json", "");
    bench.write("e.json", format!("[\n{}\n  {{\"type\":\"x\",\"tags\":7}}]", "  {\"type\":\"x\"},\n".repeat(2)));
    assert_eq!(ids(&bench.fetch(10).await), ["good"]);
    assert_eq!(bench.names(""), ["c.json", "failed"]);
    assert_eq!(fs::read_to_string(bench.path("failed/b.json")).unwrap(), "{\"type\":");
    let told = |name: &String| format!("── {name}\n{}", fs::read_to_string(bench.path("failed").join(name)).unwrap());
    let names = bench.names("failed");
    insta::assert_snapshot!(names.iter().filter(|name| name.ends_with(".error.txt")).map(told).collect::<String>());
    assert_eq!(names.len(), 8);
}

#[tokio::test]
async fn bad_files_of_one_name_do_not_replace_each_other() {
    let bench = Bench::new().await;
    for text in ["one", "two", "three"] {
        bench.write("a.json", text);
        assert!(bench.fetch(10).await.deliveries.is_empty());
    }
    let names = ["a.2.json", "a.2.json.error.txt", "a.3.json", "a.3.json.error.txt", "a.json", "a.json.error.txt"];
    assert_eq!(bench.names("failed"), names);
    assert_eq!(fs::read_to_string(bench.path("failed/a.3.json")).unwrap(), "three");
}

#[tokio::test]
async fn a_file_over_the_limit_is_moved_aside_unread() {
    let bench = Bench::with(|folder| FolderConfig { limit: Size(20), ..folder }).await;
    bench.write("a.json", r#"{"type":"x","name":"a long one"}"#);
    assert!(bench.fetch(10).await.deliveries.is_empty());
    let reason = fs::read_to_string(bench.path("failed/a.json.error.txt")).unwrap();
    assert!(reason.starts_with("a.json: the file is too large: it has 32 bytes, 20 are allowed\n"), "{reason}");
}

#[tokio::test]
async fn a_file_without_jobs_is_done() {
    let bench = Bench::new().await;
    bench.write("a.json", "[]");
    assert!(bench.fetch(10).await.deliveries.is_empty());
    assert_eq!(bench.names(""), ["failed"]);
}

#[tokio::test]
async fn links_and_special_files_are_left_unread_and_nothing_hangs() {
    let bench = Bench::new().await;
    let secret = bench.folder.path().join("secret.json");
    fs::write(&secret, lines(&["secret"])).unwrap();
    symlink(&secret, bench.path("a-symlink.json")).unwrap();
    symlink("nowhere", bench.path("b-dangling.json")).unwrap();
    fs::hard_link(&secret, bench.path("c-hardlink.json")).unwrap();
    make_fifo(&bench.path("d-fifo.json"));
    fs::create_dir(bench.path("e-directory.json")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(bench.path("f-socket.json")).unwrap();
    symlink("/dev/zero", bench.path("g-device.json")).unwrap();
    bench.write("h.json", lines(&["good"]));
    let before = bench.names("");
    assert_eq!(ids(&bench.fetch(10).await), ["good"]);
    assert!(bench.fetch(10).await.deliveries.is_empty());
    assert_eq!(bench.names(""), before);
    assert!(bench.names("failed").is_empty());
}

#[tokio::test]
async fn a_file_that_is_exchanged_for_a_link_while_it_is_looked_at_is_not_followed() {
    let bench = Bench::new().await;
    let secret = bench.folder.path().join("secret.json");
    fs::write(&secret, lines(&["secret"])).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let exchange = {
        let (stop, link, path) = (Arc::clone(&stop), bench.path(".link"), bench.path("a.json"));
        move || {
            while !stop.load(Ordering::Relaxed) {
                symlink(&secret, &link).unwrap();
                fs::rename(&link, &path).unwrap();
                fs::write(&link, lines(&["good"])).unwrap();
                fs::rename(&link, &path).unwrap();
            }
        }
    };
    let exchanging = std::thread::spawn(exchange);
    let mut seen = 0;
    while seen < 100 {
        let batch = bench.fetch(10).await;
        assert!(ids(&batch).iter().all(|id| id == "good"), "{:?}", ids(&batch));
        seen += batch.deliveries.len();
        bench.settle(&batch, done()).await;
    }
    stop.store(true, Ordering::Relaxed);
    exchanging.join().unwrap();
}

#[tokio::test]
async fn odd_names_are_names() {
    use std::os::unix::ffi::OsStringExt;
    let bench = Bench::new().await;
    let long = format!("{}.json", "x".repeat(250));
    for name in [b"a\nb.json".to_vec(), b"a\xffb.json".to_vec(), b"--help.json".to_vec(), b"a b.json".to_vec(), long.into_bytes()] {
        bench.write(std::ffi::OsString::from_vec(name), r#"{"type":"x"}"#);
    }
    let batch = bench.fetch(10).await;
    let mut different = ids(&batch);
    different.dedup();
    assert_eq!(different.len(), 5);
    bench.settle(&batch, dead(vec![])).await;
    assert_eq!(bench.names(""), ["failed"]);
    assert_eq!(bench.names("failed").len(), 5);
}

#[tokio::test]
async fn jobs_without_an_id_have_the_same_one_after_a_crash() {
    let bench = Bench::new().await;
    bench.write("a.jsonl", "{\"type\":\"x\"}\n\n{\"type\":\"x\"}\n");
    let before = ids(&bench.fetch(10).await);
    assert!(before[0].starts_with("inbox:a.jsonl:") && before[0].ends_with(":1") && before[1].ends_with(":3"), "{before:?}");
    bench.provider.close().await.unwrap();
    let again = start(settings(&bench.folder), &bench.setup).await.unwrap();
    let batch = again.fetch(&Demand::Any(10)).await.unwrap();
    assert_eq!(ids(&batch), before);
    again.settle(&settled(&batch, done())).await.unwrap();
    fs::write(bench.path("a.jsonl"), "{\"type\":\"x\"}\n").unwrap();
    assert_ne!(ids(&again.fetch(&Demand::Any(10)).await.unwrap())[0], before[0], "a new file has new jobs");
}

#[tokio::test]
async fn a_finished_file_that_is_moved_back_is_a_new_order() {
    let bench = Bench::with(|folder| FolderConfig { after: After::MoveTo("done".into()), ..folder }).await;
    bench.write("a.json", r#"{"type":"x"}"#);
    let first = bench.fetch(10).await;
    bench.settle(&first, done()).await;
    let moved = bench.folder.path().join("done/a.json");
    fs::rename(&moved, bench.path("a.json")).unwrap();
    let second = bench.fetch(10).await;
    assert_ne!(ids(&first), ids(&second));
    bench.settle(&second, done()).await;
    assert!(moved.exists());
}

#[tokio::test]
async fn done_files_may_be_moved_and_never_replace_each_other() {
    let bench = Bench::with(|folder| FolderConfig { after: After::MoveTo("done".into()), ..folder }).await;
    for text in ["1", "2"] {
        bench.write("a.jsonl", lines(&[text]));
        let batch = bench.fetch(10).await;
        bench.settle(&batch, done()).await;
    }
    let read = |name: &str| fs::read_to_string(bench.folder.path().join("done").join(name)).unwrap();
    assert_eq!((read("a.jsonl"), read("a.2.jsonl")), (lines(&["1"]), lines(&["2"])));
}

#[tokio::test(start_paused = true)]
async fn a_dead_job_is_kept_with_its_error_before_its_file_goes() {
    let bench = Bench::new().await;
    bench.write("a.json", "[{\"id\":\"1\",\"type\":\"x\",\"params\":{\n  \"n\": 9007199254740993\n}},{\"id\":\"2\",\"type\":\"x\"}]");
    let batch = bench.fetch(10).await;
    bench.settle(&part(&batch, 0..1), dead(vec![])).await;
    bench.settle(&part(&batch, 1..2), dead(vec![])).await;
    assert_eq!((bench.names(""), bench.names("failed")), (vec!["failed".to_owned()], vec!["a.json.dead.jsonl".to_owned()]));
    insta::assert_snapshot!(fs::read_to_string(bench.path("failed/a.json.dead.jsonl")).unwrap());
}

#[tokio::test]
async fn a_file_waits_for_the_failure_handlers_of_its_dead_jobs() {
    let bench = Bench::new().await;
    bench.write("a.jsonl", lines(&["1"]));
    let batch = bench.fetch(10).await;
    let handler = Job::parse(br#"{"id":"1:attic","type":"attic"}"#, &Ids::system()).unwrap().job;
    bench.settle(&batch, dead(vec![Arc::new(handler)])).await;
    assert!(bench.path("a.jsonl").exists());
    let batch = bench.fetch(10).await;
    assert_eq!(ids(&batch), ["1:attic"]);
    bench.settle(&batch, done()).await;
    assert!(!bench.path("a.jsonl").exists());
}

#[tokio::test]
async fn a_settlement_that_failed_is_repeated_and_writes_nothing_twice() {
    let bench = Bench::with(|folder| FolderConfig { after: After::MoveTo("done".into()), ..folder }).await;
    bench.write("a.jsonl", lines(&["1"]));
    let batch = bench.fetch(10).await;
    let target = bench.folder.path().join("done");
    fs::remove_dir(&target).unwrap();
    fs::write(&target, "in the way").unwrap();
    let error = bench.provider.settle(&settled(&batch, dead(vec![]))).await.unwrap_err();
    let reason = error.to_string().replace(&bench.folder.path().display().to_string(), "FOLDER");
    assert!(matches!(error, ProviderError::Unavailable(_)));
    insta::assert_snapshot!(reason);
    assert!(bench.path("a.jsonl").exists());

    fs::remove_file(&target).unwrap();
    assert!(bench.settle(&batch, dead(vec![])).await.is_empty());
    assert!(target.join("a.jsonl").exists());
    assert_eq!(fs::read_to_string(bench.path("failed/a.jsonl.dead.jsonl")).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn a_file_that_is_changed_while_its_jobs_run_stays_and_is_taken_anew() {
    let bench = Bench::new().await;
    bench.write("a.jsonl", lines(&["1"]));
    let batch = bench.fetch(10).await;
    bench.write("a.jsonl", lines(&["1", "2"]));
    assert!(bench.fetch(10).await.deliveries.is_empty(), "one file of a name at a time");
    bench.settle(&batch, done()).await;
    let batch = bench.fetch(10).await;
    assert_eq!(ids(&batch), ["1", "2"]);
    bench.settle(&batch, done()).await;
    assert!(!bench.path("a.jsonl").exists());
}

#[tokio::test]
async fn a_file_that_vanishes_while_its_jobs_run_is_settled_all_the_same() {
    let bench = Bench::new().await;
    bench.write("a.jsonl", lines(&["1"]));
    let batch = bench.fetch(10).await;
    fs::remove_file(bench.path("a.jsonl")).unwrap();
    assert!(bench.settle(&batch, done()).await.is_empty());
}

#[tokio::test]
async fn a_second_process_waits_for_the_end_of_the_first() {
    let bench = Bench::new().await;
    bench.write("a.jsonl", lines(&["1"]));
    assert_eq!(bench.fetch(10).await.deliveries.len(), 1);
    let second = start(settings(&bench.folder), &bench.setup).await.unwrap();
    let error = second.fetch(&Demand::Any(10)).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unavailable(_)));
    assert!(error.to_string().starts_with("another process takes the jobs of "), "{error}");
    bench.provider.close().await.unwrap();
    assert_eq!(ids(&second.fetch(&Demand::Any(10)).await.unwrap()), ["1"]);
}

#[tokio::test]
async fn a_folder_that_was_exchanged_is_read_in_its_new_place() {
    let bench = Bench::new().await;
    assert!(bench.fetch(10).await.deliveries.is_empty());
    fs::rename(bench.path(""), bench.folder.path().join("old")).unwrap();
    fs::create_dir(bench.path("")).unwrap();
    bench.write("a.jsonl", lines(&["1"]));
    assert_eq!(ids(&bench.fetch(10).await), ["1"]);
}

#[tokio::test]
async fn a_new_file_makes_the_folder_ready() {
    let bench = Bench::new().await;
    let write = async { bench.write("a.jsonl", lines(&["1"])) };
    let before = tokio::time::Instant::now();
    let ready = async {
        bench.provider.ready(&Demand::Any(1)).await;
        // Sooner than the look that comes in any case.
        before.elapsed() < Duration::from_secs(4)
    };
    let (told, ()) = tokio::join!(ready, write);
    assert!(told);
    assert_eq!(ids(&bench.fetch(10).await), ["1"]);
}

#[tokio::test]
async fn a_file_of_which_no_notification_comes_is_found_after_the_check_interval() {
    let bench = Bench::with(|folder| FolderConfig { check_interval: Dur::secs(2), ..folder }).await;
    // Notifications go on coming from the folder that was here. In the one that takes its place files come unheard, as on a network drive.
    fs::rename(bench.path(""), bench.folder.path().join("old")).unwrap();
    bench.provider.ready(&Demand::Any(1)).await;
    fs::create_dir(bench.path("")).unwrap();
    assert!(bench.fetch(10).await.deliveries.is_empty());
    sleep(Duration::from_millis(500)).await;
    let _told_of_the_old_one = timeout(Duration::from_millis(1), bench.provider.ready(&Demand::Any(1))).await;
    for name in ["1", "2"] {
        let before = tokio::time::Instant::now();
        bench.write(format!("{name}.jsonl"), lines(&[name]));
        bench.provider.ready(&Demand::Any(1)).await;
        assert!((1_900..20_000).contains(&before.elapsed().as_millis()), "{:?}", before.elapsed());
        assert_eq!(ids(&bench.fetch(10).await), [name]);
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new("inbox", folder.path());
    fs::write(folder.path().join("file"), "").unwrap();
    let tries = [
        FolderConfig { path: folder.path().join("not/there"), ..settings(&folder) },
        FolderConfig { path: folder.path().join("file"), ..settings(&folder) },
        FolderConfig { failed: Some(folder.path().join("inbox/../inbox")), ..settings(&folder) },
        FolderConfig { after: After::MoveTo("/proc".into()), ..settings(&folder) },
    ];
    let mut reasons = Vec::new();
    for settings in tries {
        let error = start(settings, &setup).await.unwrap_err();
        reasons.push(format!("{error:#}").replace(&folder.path().display().to_string(), "FOLDER"));
    }
    insta::assert_snapshot!(reasons.join("\n"));
}
