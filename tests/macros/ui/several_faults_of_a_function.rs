use goworker::{Context, worker};

#[worker(nmae = "resize")]
unsafe fn resize<T>(
    path: &str,
    #[config(defualt = 85, range = 100)] quality: u8,
    first: T,
    second: T,
    ctx: Context,
) -> impl Send {
    drop((path, quality, first, second, ctx));
}

fn main() {}
