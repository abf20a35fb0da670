//! Who is told what, and when: hold notices, approver requests, results, in Japanese and English.
//! It refuses to name personal values or addresses that the reader did not know already.
