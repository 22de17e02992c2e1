//! `sqlite` against the contract of queues, and what is special about it: a file, which others can have too.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use goworker::testing::conformance;
use goworker::{Output, Settlement, State};
use rusqlite::Connection;

use super::*;

fn at(setup: &Setup) -> Sqlite {
    Sqlite::from(SqliteConfig { path: setup.base.join("jobs.db") })
}

async fn open_with(setup: &Setup) -> Sqlite {
    let mut queue = at(setup);
    queue.init(setup).await.unwrap();
    queue
}

async fn open(folder: &Path) -> Sqlite {
    open_with(&Setup::new("jobs", folder)).await
}

fn job(id: &str) -> Arc<Job> {
    Arc::new(Job::new(id.parse().unwrap(), "work"))
}

async fn accept(queue: &Sqlite, ids: &[&str]) {
    let jobs: Vec<Arc<Job>> = ids.iter().map(|id| job(id)).collect();
    assert_eq!(queue.enqueue(&jobs, None).await.unwrap(), vec![Enqueued::Created; ids.len()]);
}

fn work(slots: usize) -> Demand {
    Demand::ByType(vec![("work".into(), slots)])
}

/// Waits for the next jobs as a manager does.
async fn next(queue: &Sqlite, slots: usize) -> Batch {
    let wait = async {
        loop {
            let batch = queue.fetch(&work(slots)).await.unwrap();
            if !batch.deliveries.is_empty() {
                return batch;
            }
            queue.ready(&work(slots)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("jobs should have become ready")
}

fn names(batch: &Batch) -> Vec<&str> {
    batch.deliveries.iter().map(|delivery| delivery.job.id.as_str()).collect()
}

fn done(batch: &Batch) -> Vec<Settled> {
    let settled = |delivery: &goworker::Delivery| Settled {
        token: batch.lease.token,
        handle: delivery.handle,
        job: Arc::clone(&delivery.job),
        attempt: None,
        settlement: Settlement::Done { output: Output::none() },
    };
    batch.deliveries.iter().map(settled).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn sqlite_keeps_the_contract_of_a_queue() {
    conformance::run(at);
}

#[tokio::test]
async fn two_handles_on_one_file_see_each_others_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (open(folder.path()).await, open(folder.path()).await);
    for round in 0..5 {
        let id = format!("job-{round}");
        let ids = [id.as_str()];
        let (batch, ()) = tokio::join!(next(&one, 1), accept(&two, &ids));
        assert_eq!(names(&batch), [&id]);
        assert_eq!(two.get(&id.parse().unwrap()).await.unwrap().unwrap().state, State::Running);
        assert!(one.settle(&done(&batch)).await.unwrap().is_empty());
        assert_eq!(two.get(&id.parse().unwrap()).await.unwrap().unwrap().state, State::Done);
    }
}

#[tokio::test]
async fn who_waits_hears_of_a_time_that_another_process_sets() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (open(folder.path()).await, open(folder.path()).await);
    let mut delayed = Job::new("delayed".parse().unwrap(), "work");
    delayed.delay = Some(goworker::units::Dur::millis(150));
    let delayed = [Arc::new(delayed)];
    let (batch, accepted) = tokio::join!(next(&one, 1), two.enqueue(&delayed, None));
    assert_eq!((names(&batch), accepted.unwrap()), (vec!["delayed"], vec![Enqueued::Created]));
}

#[tokio::test]
async fn the_jobs_of_an_owner_that_vanished_are_taken_up_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut setup = Setup::new("jobs", folder.path());
    setup.lease = Duration::from_secs(3_600);
    let (first, second) = (open_with(&setup).await, open_with(&setup).await);
    accept(&first, &["a"]).await;
    let held = next(&first, 1).await;
    assert!(second.fetch(&work(1)).await.unwrap().deliveries.is_empty());
    drop(first);
    let batch = next(&second, 1).await;
    assert_eq!((names(&batch), batch.deliveries[0].crashes), (vec!["a"], 1));
    assert_eq!(second.settle(&done(&held)).await.unwrap(), [0]);
}

#[tokio::test]
async fn the_jobs_of_a_killed_process_are_taken_up_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path()).await;
    accept(&queue, &["a"]).await;
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "providers::sqlite::tests::holds_a_job_until_it_is_killed"])
        .env("HELD_IN", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let id = "a".parse().unwrap();
    while queue.get(&id).await.unwrap().unwrap().state != State::Running {
        assert!(process.try_wait().unwrap().is_none(), "the process should hold a job");
        tokio::task::yield_now().await;
    }
    assert!(queue.fetch(&work(1)).await.unwrap().deliveries.is_empty());
    process.kill().unwrap();
    process.wait().unwrap();
    let batch = next(&queue, 1).await;
    assert_eq!((names(&batch), batch.deliveries[0].crashes), (vec!["a"], 1));
    assert_eq!(files(folder.path()).iter().filter(|name| name.contains("-owner-")).count(), 1);
}

#[tokio::test]
#[ignore = "is the process that another test kills"]
async fn holds_a_job_until_it_is_killed() {
    let Some(folder) = std::env::var_os("HELD_IN") else { return };
    let mut setup = Setup::new("jobs", folder);
    setup.lease = Duration::from_secs(3_600);
    let queue = open_with(&setup).await;
    let _held = next(&queue, 1).await;
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_clean_close_gives_jobs_back_and_leaves_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path()).await;
    accept(&queue, &["a", "b"]).await;
    let batch = next(&queue, 2).await;
    assert!(queue.settle(&done(&batch)[..1]).await.unwrap().is_empty());
    queue.close().await.unwrap();
    assert_eq!(files(folder.path()), ["jobs.db"]);
    let again = next(&open(folder.path()).await, 2).await;
    assert_eq!((names(&again), again.deliveries[0].crashes), (vec!["b"], 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_make_the_file_at_the_same_time_agree_on_it() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let opening: Vec<_> = (0..6).map(|_| folder.path().to_owned()).map(|path| tokio::spawn(async move { open(&path).await })).collect();
        let queues = futures::future::try_join_all(opening).await.unwrap();
        accept(&queues[0], &["a"]).await;
        assert_eq!(queues[5].enqueue(&[job("a")], None).await.unwrap(), [Enqueued::Exists]);
    }
}

/// What is said of a file that cannot be used, which must stay as it is.
async fn refusal(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    let before = std::fs::read(&path).ok();
    let mut queue = Sqlite::from(SqliteConfig { path: path.clone() });
    let error = queue.init(&Setup::new("jobs", folder)).await.unwrap_err();
    assert_eq!(before, std::fs::read(&path).ok(), "{name} has changed");
    format!("{error:#}").replace(&folder.display().to_string(), "FOLDER")
}

#[tokio::test]
async fn what_is_no_store_of_ours_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("folder")).unwrap();
    std::fs::write(path("letter.txt"), "Dear Sir or Madam, this letter is no database. ".repeat(50)).unwrap();
    Connection::open(path("foreign.db")).unwrap().execute_batch("CREATE TABLE songs(title TEXT)").unwrap();
    for name in ["newer.db", "damaged.db", "cut.db"] {
        let mut queue = Sqlite::from(SqliteConfig { path: path(name) });
        queue.init(&Setup::new("jobs", folder.path())).await.unwrap();
        let jobs: Vec<Arc<Job>> = (0..500).map(|n| job(&format!("job-{n}"))).collect();
        queue.enqueue(&jobs, None).await.unwrap();
        queue.close().await.unwrap();
    }
    Connection::open(path("newer.db")).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let mut bytes = std::fs::read(path("damaged.db")).unwrap();
    let half = bytes.len() / 2;
    bytes[half..half + 8192].fill(0x55);
    std::fs::write(path("damaged.db"), &bytes).unwrap();
    std::fs::write(path("cut.db"), &bytes[..half]).unwrap();

    let mut refusals = Vec::new();
    for name in ["missing/jobs.db", "folder", "letter.txt", "letter.txt/jobs.db", "foreign.db", "newer.db", "damaged.db", "cut.db"] {
        refusals.push(refusal(folder.path(), name).await);
    }
    // Where the damage is found depends on the tables that there are.
    let filters = [(r"knows \d+", "knows N"), (r"Tree \d+ page \d+", "Tree N page N")];
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(refusals.join("\n")) });
}

#[tokio::test]
async fn who_only_looks_creates_nothing_and_finds_an_empty_queue() {
    let folder = tempfile::tempdir().unwrap();
    let looking = Setup { create: false, ..Setup::new("jobs", folder.path()) };
    let queue = open_with(&looking).await;
    let id = job("a").id.clone();
    assert_eq!(queue.list(&Filter::default()).await.unwrap().len(), 0);
    assert!(queue.get(&id).await.unwrap().is_none());
    assert_eq!(queue.stats().await.unwrap(), QueueStats::default());
    assert_eq!(queue.cancel(&[id.clone(), id]).await.unwrap(), [Change::Absent, Change::Absent]);
    assert!(queue.enqueue(&[job("a")], None).await.is_err());
    queue.close().await.unwrap();
    assert_eq!(files(folder.path()), [""; 0]);

    accept(&open(folder.path()).await, &["a"]).await;
    assert_eq!(open_with(&looking).await.list(&Filter::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn many_jobs_of_one_entry_are_changed_together_and_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path()).await;
    accept(&queue, &["a", "b", "c"]).await;
    let ids = ["a", "b", "c", "a"].map(|name| job(name).id.clone());
    let first_three = |change: Change, last| vec![change.clone(), change.clone(), change, last];
    assert_eq!(queue.cancel(&ids).await.unwrap(), first_three(Change::Changed, Change::Refused(State::Cancelled)));
    assert_eq!(queue.retry(&ids[..1]).await.unwrap(), [Change::Changed]);
    let states = async || -> Vec<State> { queue.list(&Filter::default()).await.unwrap().iter().map(|record| record.state).collect() };
    assert_eq!(states().await, [State::Cancelled, State::Cancelled, State::Ready]);
    assert_eq!(queue.delete(&ids).await.unwrap(), first_three(Change::Changed, Change::Absent));
    assert_eq!(states().await, []);
    assert_eq!(names(&queue.fetch(&work(3)).await.unwrap()), [""; 0]);
}

#[tokio::test]
async fn an_empty_file_becomes_a_store() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("jobs.db"), "").unwrap();
    accept(&open(folder.path()).await, &["a"]).await;
}

#[tokio::test]
async fn nothing_is_accepted_into_a_file_that_was_removed() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path()).await;
    accept(&queue, &["a"]).await;
    std::fs::remove_file(folder.path().join("jobs.db")).unwrap();
    let error = queue.enqueue(&[job("b")], None).await.unwrap_err();
    assert!(matches!(error, ProviderError::Failed(_)));
    let path = folder.path().canonicalize().unwrap();
    insta::assert_snapshot!(error.to_string().replace(&path.display().to_string(), "FOLDER"), @"`FOLDER/jobs.db` is not used any more since an earlier error (the file was removed or replaced while it was in use); mend it and start again");
}

#[tokio::test]
async fn a_full_disk_refuses_what_does_not_fit_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path()).await;
    accept(&queue, &["a"]).await;
    queue.file().unwrap().limit_pages(Some(40)).await;
    let mut large = Job::new("large".parse().unwrap(), "work");
    large.name = "x".repeat(1 << 20);
    let error = queue.enqueue(&[Arc::new(large.clone())], None).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unavailable(_)), "{error}");
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert_eq!(names(&next(&queue, 2).await), ["a"]);
    queue.file().unwrap().limit_pages(None).await;
    assert_eq!(queue.enqueue(&[Arc::new(large)], None).await.unwrap(), [Enqueued::Created]);
}

#[tokio::test]
async fn a_call_that_fails_does_not_harm_those_in_the_same_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path()).await;
    let file = queue.file().unwrap();
    // The first step keeps the thread busy until the others wait together.
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let blocked = file.step(move |_| {
        assert!(gate.recv().is_err(), "the gate opens when its other end goes");
        Ok(())
    });
    let failing = file.step(|store| store.run("INSERT INTO nowhere VALUES(1)", []).map(|_| ()));
    let (one, two) = ([job("a")], [job("b")]);
    let accepted = async { tokio::join!(queue.enqueue(&one, None), queue.enqueue(&two, None)) };
    let release = async { drop(go) };
    let (_, failed, (one, two), ()) = tokio::join!(blocked, failing, accepted, release);
    assert!(matches!(failed, Err(ProviderError::Failed(_))));
    assert_eq!((one.unwrap(), two.unwrap()), (vec![Enqueued::Created], vec![Enqueued::Created]));
}

#[tokio::test]
async fn a_list_shows_the_present_however_much_time_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mut setup = Setup::new("jobs", folder.path());
    setup.clock = goworker::Clock::stopped_at(goworker::Timestamp::from_millis(0));
    let queue = open_with(&setup).await;
    accept(&queue, &["a", "b", "c", "d", "e", "f", "g", "h", "i"]).await;
    for _ in 0..9 {
        let _lost = next(&queue, 1).await;
    }
    setup.clock.shift(setup.lease.as_millis() as i64);
    let records = queue.list(&Filter::default()).await.unwrap();
    assert!(records.iter().all(|record| record.state == State::Ready), "{records:?}");
}

#[tokio::test]
async fn a_job_in_no_place_is_made_ready_again() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path()).await;
    accept(&queue, &["a", "b"]).await;
    queue.close().await.unwrap();
    let with_other_tools = Connection::open(folder.path().join("jobs.db")).unwrap();
    with_other_tools.execute("DELETE FROM ready WHERE seq = (SELECT seq FROM job WHERE id = 'a')", []).unwrap();
    assert_eq!(names(&next(&open(folder.path()).await, 2).await), ["a", "b"]);
}

#[tokio::test]
async fn a_job_that_cannot_be_read_becomes_a_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path()).await;
    accept(&queue, &["a", "b"]).await;
    Connection::open(folder.path().join("jobs.db")).unwrap().execute("UPDATE job SET body = '{' WHERE id = 'a'", []).unwrap();
    assert_eq!(names(&next(&queue, 2).await), ["b"]);
    let record = queue.get(&"a".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(record.state, State::Dead);
    assert!(record.failure.unwrap().message.starts_with("the stored job cannot be read: "));
}

#[tokio::test]
async fn jobs_that_were_deleted_with_other_tools_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut setup = Setup::new("jobs", folder.path());
    setup.lease = Duration::from_millis(100);
    let queue = open_with(&setup).await;
    accept(&queue, &["running", "waiting"]).await;
    let batch = next(&queue, 1).await;
    Connection::open(folder.path().join("jobs.db")).unwrap().execute("DELETE FROM job", []).unwrap();
    accept(&queue, &["later"]).await;
    assert_eq!(names(&next(&queue, 9).await), ["later"]);
    queue.ready(&Demand::ByType(vec![("work".into(), 1)])).await;
    assert!(queue.fetch(&work(9)).await.unwrap().deliveries.len() <= 1);
    assert_eq!(queue.settle(&done(&batch)).await.unwrap(), [0]);
}

#[tokio::test]
async fn anyone_can_read_the_jobs_with_standard_tools() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path()).await;
    accept(&queue, &["done", "running", "ready"]).await;
    let batch = next(&queue, 2).await;
    queue.settle(&done(&batch)[..1]).await.unwrap();
    let mut delayed = Job::new("delayed".parse().unwrap(), "work");
    delayed.delay = Some(goworker::units::Dur::secs(60));
    queue.enqueue(&[Arc::new(delayed)], None).await.unwrap();
    let conn = Connection::open(folder.path().join("jobs.db")).unwrap();
    let mut select =
        conn.prepare("SELECT id || ' ' || type || ' ' || state || ' ' || attempts FROM jobs ORDER BY enqueued_at, id").unwrap();
    let rows: Vec<String> = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    insta::assert_snapshot!(rows.join("\n"), @r"
    done work done 1
    ready work ready 0
    running work running 0
    delayed work scheduled 0
    ");
}

#[tokio::test]
async fn who_waits_for_a_job_hears_at_once_that_another_process_has_ended_it() {
    let folder = tempfile::tempdir().unwrap();
    let (client, daemon) = (open(folder.path()).await, open(folder.path()).await);
    let mut took = Vec::new();
    for round in 0..5 {
        let id = format!("job-{round}");
        accept(&client, &[&id]).await;
        let batch = next(&daemon, 1).await;
        let id = id.parse().unwrap();
        let settle = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(daemon.settle(&done(&batch)).await.unwrap().is_empty());
            std::time::Instant::now()
        };
        let (ended, settled_at) = tokio::join!(client.wait(&id), settle);
        took.push(settled_at.elapsed());
        assert_eq!(ended.unwrap().unwrap().state, State::Done);
    }
    took.sort();
    // The median, as the machine may be busy; the net under the notices would take half a second.
    assert!(took[2] < Duration::from_millis(200), "{took:?}");
    // Someone who only waits is nobody's owner.
    assert_eq!(files(folder.path()).iter().filter(|name| name.contains("-owner-")).count(), 1);
}

#[tokio::test]
async fn who_waits_for_a_job_that_is_overdue_hears_so_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut setup = Setup::new("jobs", folder.path());
    setup.clock = goworker::Clock::starting_at(goworker::Timestamp::from_millis(0));
    let queue = open_with(&setup).await;
    accept(&queue, &["waits"]).await;
    let expires_at = Some(setup.clock.now().after(Duration::from_secs(5)));
    queue.enqueue(&[Arc::new(Job { expires_at, ..Job::new("late".parse().unwrap(), "work") })], None).await.unwrap();
    // The first wait of a process puts everything in order by itself.
    let first = tokio::time::timeout(Duration::from_millis(50), queue.wait(&"waits".parse().unwrap())).await;
    assert!(first.is_err(), "nobody runs it: {first:?}");
    setup.clock.shift(10_000);
    let late = tokio::time::timeout(Duration::from_secs(20), queue.wait(&"late".parse().unwrap())).await;
    assert_eq!(late.unwrap().unwrap().unwrap().state, State::Expired);
}

#[tokio::test]
async fn a_wait_ends_with_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path()).await;
    accept(&queue, &["a"]).await;
    let id = "a".parse().unwrap();
    let close = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        queue.close().await.unwrap();
    };
    let (waited, ()) = tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(queue.wait(&id), close) }).await.unwrap();
    assert!(waited.is_err(), "{waited:?}");
}
