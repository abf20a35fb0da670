//! What administrators are told once: the subject and the occasion are written down in the commit that queues the letters.
//! It refuses to tell the same thing twice, also after a restart.

use super::body::Body;
use super::outbox::{self, NewQueued, Queueing};
use super::row::int;
use super::writer::Write;
use super::{Store, StoreError};
use sqlx::AnyConnection;

struct Tell {
    subject: String,
    occasion: u64,
    letters: Vec<(Queueing, Body)>,
    now_ms: u64,
}

impl Write for Tell {
    /// Was it new, and files to discard.
    type Out = (bool, Vec<String>);

    async fn apply(&self, at: &mut AnyConnection) -> Result<Self::Out, StoreError> {
        let new = sqlx::query(
            "INSERT INTO told (subject, occasion, at_ms) VALUES ($1, $2, $3) ON CONFLICT (subject, occasion) DO NOTHING",
        )
        .bind(self.subject.as_str())
        .bind(int(self.occasion))
        .bind(int(self.now_ms))
        .execute(&mut *at)
        .await?;
        if new.rows_affected() == 0 {
            return Ok((false, self.letters.iter().filter_map(|(_, body)| body.file().cloned()).collect()));
        }
        let mut files = Vec::new();
        for (queueing, body) in &self.letters {
            files.extend(outbox::insert(at, queueing, Some(body)).await?);
        }
        Ok((true, files))
    }
}

impl Store {
    /// Was this told before?
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn was_told(&self, subject: &str, occasion: u64) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT at_ms FROM told WHERE subject = $1 AND occasion = $2")
            .bind(subject)
            .bind(int(occasion))
            .fetch_optional(&self.read)
            .await?;
        Ok(row.is_some())
    }

    /// Queues letters about a subject on an occasion; `false`, and nothing is queued, when that was told before.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn tell_once(
        &self,
        subject: &str,
        occasion: u64,
        letters: Vec<NewQueued>,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let mut prepared = Vec::with_capacity(letters.len());
        for letter in letters {
            let body = self.bodies.prepare(&letter.id, &letter.head, &letter.body).await?;
            prepared.push((Queueing::new(letter, &self.secret)?, body));
        }
        let tell = Tell { subject: subject.to_owned(), occasion, letters: prepared, now_ms };
        let (new, files) = self.writer.write(tell).await?;
        self.bodies.discard(files).await;
        Ok(new)
    }
}
