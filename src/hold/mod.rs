//! The life of a held mail: Held → Releasing → Released, or Returned, Expired, Cancelled.
//! It refuses any change that does not pass the compare-and-set of the store, so two people pressing release send one mail.
