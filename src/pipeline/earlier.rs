//! Mails that the store knows and this process does not: those of a predecessor, and those that did not fit into memory.
//! It refuses to guess that a mail is new: when it cannot hold all of them, the store is asked about every mail.

use crate::store::{MailKey, Store, StoreError};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Mails held at most; eight octets each.
const MOST: usize = 1_000_000;
/// Mails that the store is asked for at once.
const PAGE: u32 = 5_000;

/// Which mails to ask the store about.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    /// Read once from the store.
    loaded: OnceCell<()>,
    /// Hashes of keys; `None` when there are too many.
    keys: Mutex<Option<HashSet<u64>>>,
}

impl Earlier {
    /// May the store know more of this mail than this process? `since_ms` (epoch milliseconds): mails last seen before do not count.
    pub(super) async fn may_know(&self, store: &Store, key: &MailKey, since_ms: u64) -> Result<bool, StoreError> {
        self.loaded
            .get_or_try_init(|| async {
                let (mut found, mut after) = (HashSet::new(), MailKey(String::new()));
                while found.len() < MOST {
                    let page = store.mail_groups_since(since_ms, &after, PAGE).await?;
                    found.extend(page.iter().map(hash));
                    let Some(last) = page.into_iter().next_back() else { break };
                    after = last;
                }
                let mut known = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
                *known = (found.len() < MOST).then_some(found);
                Ok::<_, StoreError>(())
            })
            .await?;
        let known = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(known.as_ref().is_none_or(|known| known.contains(&hash(key))))
    }

    /// This process forgets a mail before its time.
    pub(super) fn add(&self, key: &MailKey) {
        // Before the first mail is asked about there is nothing to forget.
        let mut known = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = known.as_mut() {
            keys.insert(hash(key));
            if keys.len() >= MOST {
                *known = None;
            }
        }
    }
}

/// The key is a digest: any part of it is a hash.
fn hash(key: &MailKey) -> u64 {
    key.0.get(..16).and_then(|start| u64::from_str_radix(start, 16).ok()).unwrap_or_default()
}
