//! Tells the service manager that the guard lives (sd_notify(3), `WatchdogSec=`), as long as it really does.
//! It refuses to speak for parts that hang: when the store or an accepting loop does not answer, nothing is said, and the guard is restarted.

use crate::listen::Shared;
use crate::store::Store;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Speaks at least once within the interval that the service manager set, until the guard stops.
///
/// A store that answers with an error lives: a full disk is shown by `/healthz`, and no restart mends it.
pub(super) async fn beat(
    every: Duration,
    store: Arc<Store>,
    shared: Arc<Shared>,
    loops: usize,
    stop: CancellationToken,
) {
    // A third to wait, at most a third for the store's answer, and a third to spare.
    let third = every / 3;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(third) => {}
        }
        let store_answers = timeout(third, store.answers()).await.is_ok();
        let loops_turn = shared.beats.alive(loops, every);
        if store_answers && loops_turn {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        } else {
            tracing::error!(store_answers, loops_turn, "the guard hangs: no sign of life for the service manager");
        }
    }
}
