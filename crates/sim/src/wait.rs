//! What a task can wait for: an answer, a bell, or whichever of two comes first.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
};

/// A place for one answer.
pub(crate) struct Slot<T>(Rc<RefCell<Place<T>>>);

/// Where the answer is to be put; whoever waited for it may be gone by then.
pub(crate) struct Filler<T>(Weak<RefCell<Place<T>>>);

struct Place<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

/// Rings for everybody who waits; counts how often it has.
#[derive(Clone, Default)]
pub(crate) struct Bell(Rc<RefCell<Rung>>);

#[derive(Default)]
struct Rung {
    count: u64,
    wakers: Vec<Waker>,
}

/// Which of two came.
pub(crate) enum Either<A, B> {
    A(A),
    B(B),
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Self {
        Slot(Rc::new(RefCell::new(Place { value: None, waker: None })))
    }

    pub(crate) fn filler(&self) -> Filler<T> {
        Filler(Rc::downgrade(&self.0))
    }
}

impl<T> Future for Slot<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut place = self.0.borrow_mut();
        match place.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                place.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Filler<T> {
    /// The first answer counts.
    pub(crate) fn fill(&self, value: T) {
        let Some(place) = self.0.upgrade() else { return };
        let mut place = place.borrow_mut();
        if place.value.is_none() {
            place.value = Some(value);
        }
        if let Some(waker) = place.waker.take() {
            waker.wake();
        }
    }

    /// Whether anybody still waits.
    pub(crate) fn awaited(&self) -> bool {
        0 < self.0.strong_count()
    }
}

impl<T> Clone for Filler<T> {
    fn clone(&self) -> Self {
        Filler(self.0.clone())
    }
}

impl Bell {
    pub(crate) fn ring(&self) {
        let mut rung = self.0.borrow_mut();
        rung.count += 1;
        rung.wakers.drain(..).for_each(Waker::wake);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.borrow().count
    }

    /// Waits until it has rung more often than `seen`; then that is how often.
    pub(crate) async fn rung(&self, seen: &mut u64) {
        poll_fn(|context| {
            let mut rung = self.0.borrow_mut();
            if *seen < rung.count {
                *seen = rung.count;
                return Poll::Ready(());
            }
            if !rung.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                rung.wakers.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

/// Whichever comes first; the first one where both are there.
pub(crate) async fn first<A: Future, B: Future>(a: A, b: B) -> Either<A::Output, B::Output> {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|context| {
        if let Poll::Ready(value) = a.as_mut().poll(context) {
            return Poll::Ready(Either::A(value));
        }
        b.as_mut().poll(context).map(Either::B)
    })
    .await
}
