//! A value that can be replaced while everybody goes on reading it: what a reload of the configuration changes.
use arc_swap::{ArcSwap, Guard};
use std::{fmt, sync::Arc};

/// A shared value; copies of the handle see the same one.
pub struct Live<T>(Arc<ArcSwap<T>>);

impl<T> Live<T> {
    /// Starts with a value.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(value)))
    }

    /// Reads the value as it is now. Cost: no lock; keep the answer for a short time only.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<T>> {
        self.0.load()
    }

    /// Replaces the value for everybody.
    pub fn set(&self, value: T) {
        self.0.store(Arc::new(value));
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load().fmt(f)
    }
}
