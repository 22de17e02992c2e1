use goworker::worker;

/// Resizes pictures of any format.
#[worker]
pub struct Resize<T> {
    #[state]
    format: T,
}

/// Borrows its name.
#[worker]
pub struct Greet<'a> {
    /// Whom to greet.
    name: &'a str,
}

fn main() {}
