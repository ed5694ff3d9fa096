//! Facts and a person's rules to a verdict: Allowed, or Denied with all reasons
