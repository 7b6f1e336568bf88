//! welcome-payer
