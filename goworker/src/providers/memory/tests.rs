//! `memory` against the contract of queues.

use goworker::testing::{Capabilities, Time, conformance};

use super::Memory;

const VIRTUAL: Capabilities = Capabilities { durable: false, time: Time::Paused };

#[tokio::test(start_paused = true)]
async fn memory_keeps_the_contract_of_a_queue() {
    conformance(VIRTUAL, |_| Memory::default()).await;
}

#[tokio::test]
async fn memory_keeps_it_in_real_time_too() {
    conformance(Capabilities { time: Time::Setup, ..VIRTUAL }, |_| Memory::default()).await;
}
