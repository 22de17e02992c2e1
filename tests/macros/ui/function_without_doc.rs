use goworker::worker;

#[worker]
async fn resize(params: u8) {
    drop(params);
}

fn main() {}
