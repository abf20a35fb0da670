//! BDAT in a session (RFC 3030): reads as many octets as the client counted, whatever becomes of them, and answers for each chunk.
//! It refuses to look for commands inside a chunk, to mix chunks with DATA, and to take more of a mail that was refused.

use super::{Draft, Receiver, State};
use crate::smtp::data::Decoder;
use crate::smtp::reply::Reply;

/// The chunks of a transaction.
#[derive(Debug, Default)]
pub(super) enum Chunks {
    /// None came.
    #[default]
    None,
    /// What came so far is good.
    Open(Box<Decoder>),
    /// A chunk was refused: the others are read and refused too, until the last one or RSET.
    Refused,
}

impl Chunks {
    pub(super) fn begun(&self) -> bool {
        !matches!(self, Self::None)
    }
}

/// A chunk that is being read.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Octets of it that are still to come.
    pub left: u64,
    octets: u64,
    last: bool,
    /// It is read to its end and then refused like this.
    refusal: Option<Reply>,
}

impl Receiver {
    /// A line `BDAT`. `refusal` is a reason from outside the transaction; the octets of the chunk come all the same.
    pub(super) fn bdat(&mut self, argument: Option<(u64, bool)>, refusal: Option<Reply>) {
        let Some((octets, last)) = argument else {
            // Where the octets end that follow is not known, so nothing behind this line can be trusted to be a command.
            self.close(&Reply::new(521, "5.5.4", "Syntax: BDAT octets [LAST]"));
            return;
        };
        let refusal = refusal.or_else(|| self.no_data().err());
        let bounds = self.bounds();
        if !self.draft.as_ref().is_some_and(|draft| draft.chunks.begun()) {
            // Also for a chunk that is refused: its time is not that of an earlier mail.
            self.times.data = self.times.input;
            if let (None, Some(draft)) = (&refusal, &mut self.draft) {
                draft.chunks = Chunks::Open(Box::new(Decoder::counted(bounds)));
            }
        }
        self.state = State::Chunk(Chunk { left: octets, octets, last, refusal });
    }

    /// Takes octets of the chunk and returns how many they were.
    pub(super) fn take_chunk(chunk: &mut Chunk, draft: Option<&mut Draft>, bytes: &[u8]) -> usize {
        let used = usize::try_from(chunk.left).unwrap_or(usize::MAX).min(bytes.len());
        chunk.left -= used as u64;
        if let (None, Some(Draft { chunks: Chunks::Open(decoder), .. })) = (&chunk.refusal, draft) {
            decoder.feed(&bytes[..used]);
        }
        used
    }

    /// At the end of a chunk: the answer for it, or the whole mail.
    pub(super) fn end_chunk(&mut self) {
        let State::Chunk(chunk) = std::mem::replace(&mut self.state, State::Command) else { return };
        if let Some(reply) = chunk.refusal {
            self.refuse(&reply);
            return;
        }
        let Some(draft) = &mut self.draft else { return };
        match std::mem::replace(&mut draft.chunks, Chunks::Refused) {
            Chunks::Open(decoder) if chunk.last => match decoder.finish() {
                Ok(mail) => self.state = State::Complete(mail),
                Err(fault) => self.refuse_mail(fault),
            },
            Chunks::Open(decoder) => match decoder.fault() {
                None => {
                    draft.chunks = Chunks::Open(decoder);
                    self.reply(250, "2.0.0", &format!("Ok: {} octets", chunk.octets));
                }
                Some(fault) => {
                    let draft = self.draft.take();
                    self.refuse_mail(fault);
                    // RFC 3030 2: the transaction is spoilt until RSET or the last chunk; chunks that are under way are still read.
                    self.draft = draft.filter(|_| !matches!(self.state, State::Closing));
                }
            },
            Chunks::Refused | Chunks::None => {
                if chunk.last {
                    self.draft = None;
                }
                self.refuse(&Reply::new(503, "5.5.1", "Error: an earlier chunk was refused, send RSET"));
            }
        }
    }
}
