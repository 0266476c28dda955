//! Looks after what rooms keep of their messages: from time to time what is too much or too old goes.
use super::task::MessageSettings;
use crate::server::{clock::Clock, store::Store};
use std::{sync::Arc, time::Duration};
use tokio::runtime::Handle;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(60);

/// Lives as long as the hub.
pub(in crate::server) async fn look_after_messages(store: Arc<dyn Store>, settings: MessageSettings, clock: Clock) {
    loop {
        tokio::time::sleep(EVERY).await;
        let (store, runtime) = (store.clone(), Handle::current());
        let retention = settings.retention(clock.now());
        // The embedded store answers on the thread that asks: not on one that serves.
        let trimmed = tokio::task::spawn_blocking(move || runtime.block_on(store.trim_messages(retention)));
        match trimmed.await {
            Ok(Ok(0)) => {}
            Ok(Ok(removed)) => metrics::counter!("michub_room_messages_expired_total").increment(removed as u64),
            Ok(Err(fault)) => tracing::warn!(%fault, "old messages cannot be removed yet"),
            Err(error) => tracing::error!(%error, "the removal of old messages has failed"),
        }
    }
}
