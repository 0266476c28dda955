//! Looks after what rooms keep of their messages: from time to time what is too much or too old goes.
use super::{clock::Clock, room_task::MessageSettings, store::Store};
use crate::hub::time::UnixMs;
use std::{sync::Arc, time::Duration};
use tokio::runtime::Handle;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(60);

/// Lives as long as the hub.
pub(super) async fn look_after_messages(store: Arc<dyn Store>, settings: MessageSettings, clock: Clock) {
    loop {
        tokio::time::sleep(EVERY).await;
        let (store, runtime) = (store.clone(), Handle::current());
        let oldest = UnixMs(clock.now().0.saturating_sub(settings.keep.0));
        // The embedded store answers on the thread that asks: not on one that serves.
        let trimmed = tokio::task::spawn_blocking(move || runtime.block_on(store.trim_messages(settings.keep_max, oldest)));
        match trimmed.await {
            Ok(Ok(0)) => {}
            Ok(Ok(removed)) => metrics::counter!("michub_room_messages_expired_total").increment(removed as u64),
            Ok(Err(fault)) => tracing::warn!(%fault, "old messages cannot be removed yet"),
            Err(error) => tracing::error!(%error, "old messages are not looked after"),
        }
    }
}
