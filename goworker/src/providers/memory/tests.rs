//! `memory` against the contract of queues.

use goworker::testing::conformance::{self, Suite};

use super::Memory;

#[test]
fn memory_keeps_the_contract_of_a_queue() {
    Suite::new(|_| Memory::default()).in_virtual_time().run();
}

#[test]
fn memory_keeps_it_in_real_time_too() {
    conformance::run(|_| Memory::default());
}
