//! Watches how long the certificate is good, and tells administrators in time: 30, 14, 7 and 1 days before, and when it is over.
//! It refuses to tell the same step twice, also over restarts, and to keep silent when there is nobody to write to.

use super::chores::Chores;
use super::letters::queued;
use crate::listen::certificate::{Described, describe};
use crate::notice::text::expiry::Expiring;
use crate::notice::{self, Voice};
use crate::store::{NewQueued, StoreError};
use aws_lc_rs::digest;
use std::fmt::Write as _;

/// Days before the end at which administrators are told.
const STEPS: [u64; 4] = [1, 7, 14, 30];
const DAY_MS: u64 = 86_400_000;

/// The step that a remaining time has reached: one of [`STEPS`], 0 when the time is over, `None` when it is long.
fn step(now_ms: u64, until_ms: u64) -> Option<u64> {
    match until_ms.checked_sub(now_ms).filter(|left| *left > 0) {
        None => Some(0),
        Some(left) => STEPS.into_iter().find(|days| left <= days * DAY_MS),
    }
}

impl Chores {
    /// The certificate in use, with the octets it was read from.
    fn certificate_now(&self) -> Option<(Described, Vec<u8>)> {
        let leaf = self.certificate.as_ref()?.leaf();
        describe(&leaf).map(|described| (described, leaf))
    }

    /// Sets the metric; gives the reason why the guard is not well when the certificate is over.
    pub(super) fn look_at_certificate(&self) -> Option<String> {
        let (described, _) = self.certificate_now()?;
        let now_ms = self.clock.now_ms();
        let signed = |ms: u64| i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
        self.metrics.certificate_expires(signed(described.until_ms) - signed(now_ms));
        (described.until_ms <= now_ms).then(|| "the certificate has expired".to_owned())
    }

    /// Tells the step that is reached, unless it was told.
    pub(super) async fn warn_of_expiry(&self) {
        let Some((described, leaf)) = self.certificate_now() else { return };
        let now_ms = self.clock.now_ms();
        let Some(step) = step(now_ms, described.until_ms) else { return };
        let mut subject = "certificate ".to_owned();
        for octet in &digest::digest(&digest::SHA256, &leaf).as_ref()[..16] {
            // Writing to a string does not fail.
            let _ = write!(subject, "{octet:02x}");
        }
        let told = async {
            if self.store.was_told(&subject, step).await? {
                return Ok(false);
            }
            let expiring = Expiring {
                names: described.names.clone(),
                file: self.config.tls.as_ref().map(|(file, _)| file.display().to_string()).unwrap_or_default(),
                until_ms: described.until_ms,
                days: described.until_ms.checked_sub(now_ms).filter(|left| *left > 0).map(|left| left / DAY_MS),
            };
            let letters = letters(&self.voice(), &expiring, now_ms);
            tracing::warn!(names = ?expiring.names, days = ?expiring.days, told = letters.len(), "the certificate runs out");
            self.store.tell_once(&subject, step, letters, now_ms).await
        };
        let told: Result<bool, StoreError> = told.await;
        match told {
            Ok(true) => self.bell.notify_one(),
            Ok(false) => {}
            Err(error) => {
                tracing::error!("failed to {error}: administrators are not told that the certificate runs out");
            }
        }
    }
}

/// One letter for each administrator.
fn letters(voice: &Voice, expiring: &Expiring, now_ms: u64) -> Vec<NewQueued> {
    let mut letters = Vec::new();
    for admin in &voice.admins {
        let Some(id) = crate::pipeline::new_id(now_ms) else { continue };
        match notice::expiring(voice, expiring, admin, &id, now_ms) {
            Ok(letter) => letters.push(queued(id, admin, letter.bytes, now_ms)),
            Err(error) => {
                tracing::error!("failed to {error}: an administrator is not told that the certificate runs out");
            }
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_reached_once_the_time_left_is_no_longer_than_it() {
        let until = 100 * DAY_MS;
        for (left, want) in [
            (31 * DAY_MS, None),
            (30 * DAY_MS, Some(30)),
            (14 * DAY_MS + 1, Some(30)),
            (14 * DAY_MS, Some(14)),
            (7 * DAY_MS, Some(7)),
            (DAY_MS + 1, Some(7)),
            (DAY_MS, Some(1)),
            (1, Some(1)),
            (0, Some(0)),
        ] {
            assert_eq!(step(until - left, until), want, "{left}");
        }
        assert_eq!(step(until + DAY_MS, until), Some(0));
    }
}
