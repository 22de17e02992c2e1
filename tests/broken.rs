//! goworker with queues that are broken on purpose: `faulty(fault: "NoLease", queue: "redis(url: ..)")`.

use std::process::ExitCode;

use goworker::settings::{Field, Reader, Settings};
use goworker::{Origin, Registration, Registry, Setup};
use goworker_tests::faulty::{Fault, Faulty};
use goworker_tests::queues::queue;

/// Those that tell in processes, and none.
const FAULTS: [Fault; 10] = [
    Fault::None,
    Fault::SettledBeforeRun,
    Fault::NoFencing,
    Fault::NoLease,
    Fault::NoRenewal,
    Fault::Stalls,
    Fault::DiesOnceTaken,
    Fault::DiesBeforeAccepting,
    Fault::DiesOnceAccepted,
    Fault::DiesOnceEnded,
];

struct Entry {
    fault: Fault,
    queue: String,
}

impl Settings for Entry {
    fn fields() -> Vec<Field> {
        let text = |name, doc| Field::new::<String>(name, "String", doc);
        vec![text("fault", "What is wrong with it."), text("queue", "The entry of the queue that is made worse.")]
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (fault, queue) = (reader.required::<String>("fault"), reader.required::<String>("queue"));
        let fault = fault.and_then(|name| FAULTS.into_iter().find(|fault| format!("{fault:?}") == name));
        Some(Entry { fault: fault?, queue: queue? })
    }
}

impl From<Entry> for Faulty {
    fn from(entry: Entry) -> Self {
        // Paths are not used: the queue is on a server.
        Faulty::new(entry.fault, queue(&entry.queue, &Setup::new("jobs", ".")))
    }
}

fn main() -> ExitCode {
    let origin = Origin { crate_name: "goworker-tests", crate_version: "0.1.0", file: file!(), line: line!() };
    let faulty = Registration::queue::<Faulty, Entry>("faulty", "A queue that is broken on purpose.", origin);
    goworker::cli::main_with(&Registry::linked().with(faulty))
}
