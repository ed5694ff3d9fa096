//! The store and its log on a real disk: what is acknowledged stays, whatever kills the writer.

mod store {
    mod attacks;
    pub(crate) mod child;
    mod crash;
    mod durability;
    mod everyday;
    mod machine;
    pub(crate) mod room;
}
