//! How many connections there are. When there are too many, the one gives way whose request has not arrived for longest.
//!
//! So clients that are slow, or say nothing, can take the place of one another only: whoever sends a whole request is served.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

#[derive(Debug)]
pub(super) struct Connections {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    next: u64,
    /// Those whose request has not arrived yet, the longest first, and how they are told to give way.
    waiting: BTreeMap<u64, CancellationToken>,
}

/// The place of one connection. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    /// Its number among those that wait; none while its request is served.
    waits: Mutex<Option<u64>>,
    gives_way: CancellationToken,
}

impl Connections {
    pub(super) fn new(most: usize) -> Self {
        Connections { most: most.max(1), state: Mutex::default() }
    }

    /// A place for a new connection; `None` if all are taken by requests that are served.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut state = self.lock();
        if state.open >= self.most {
            let (_, longest) = state.waiting.pop_first()?;
            longest.cancel();
            state.open -= 1;
        }
        state.open += 1;
        let gives_way = CancellationToken::new();
        let number = state.wait(gives_way.clone());
        Some(Place { connections: Arc::clone(self), waits: Mutex::new(Some(number)), gives_way })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait(&mut self, gives_way: CancellationToken) -> u64 {
        self.next += 1;
        self.waiting.insert(self.next, gives_way);
        self.next
    }
}

impl Place {
    /// Returns when another connection needs the place.
    pub(super) async fn given_away(&self) {
        self.gives_way.cancelled().await;
    }

    /// Its request has arrived: until the answer is dropped, it gives way to nobody.
    pub(super) fn serve(self: &Arc<Self>) -> Serving {
        let mut state = self.connections.lock();
        if let Some(number) = self.waits().take() {
            state.waiting.remove(&number);
        }
        Serving(Arc::clone(self))
    }

    fn waits(&self) -> MutexGuard<'_, Option<u64>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The request of a connection is served.
#[derive(Debug)]
pub(super) struct Serving(Arc<Place>);

impl Drop for Serving {
    fn drop(&mut self) {
        let mut state = self.0.connections.lock();
        if !self.0.gives_way.is_cancelled() {
            *self.0.waits() = Some(state.wait(self.0.gives_way.clone()));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.connections.lock();
        if let Some(number) = self.waits().take() {
            state.waiting.remove(&number);
        }
        // One that gave way was taken off the count then.
        if !self.gives_way.is_cancelled() {
            state.open -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(connections: &Arc<Connections>) -> Option<Arc<Place>> {
        connections.enter().map(Arc::new)
    }

    fn is_out(place: &Place) -> bool {
        place.gives_way.is_cancelled()
    }

    #[test]
    fn who_has_waited_longest_gives_way_and_who_is_served_does_not() {
        let connections = Arc::new(Connections::new(3));
        let [one, two, three] = [(); 3].map(|()| enter(&connections).unwrap());
        let serving = one.serve();
        let four = enter(&connections).unwrap();
        assert!(!is_out(&one) && is_out(&two) && !is_out(&three));
        // One that was served begins to wait anew.
        drop(serving);
        let five = enter(&connections).unwrap();
        assert!(!is_out(&one) && is_out(&three));
        let _served = [one.serve(), four.serve(), five.serve()];
        assert!(enter(&connections).is_none());
        drop((two, three));
        assert!(enter(&connections).is_none());
    }

    #[test]
    fn a_place_is_given_back_once() {
        let connections = Arc::new(Connections::new(2));
        for _ in 0..10 {
            let one = enter(&connections).unwrap();
            let serving = one.serve();
            drop(one);
            drop(serving);
        }
        let [one, two, three] = [(); 3].map(|()| enter(&connections).unwrap());
        assert_eq!(connections.lock().open, 2);
        drop((one, two, three));
        assert_eq!(connections.lock().open, 0);
        assert!(connections.lock().waiting.is_empty());
    }
}
