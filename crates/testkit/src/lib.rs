//! Fixtures made with real keys, and the tests that keep the architecture true
