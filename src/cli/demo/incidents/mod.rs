//! Known leaks told again as outgoing mails, each with what the default rules must do; and ordinary mails that must pass.
//! It refuses to judge: expectations are data, the rules decide.
