//! What things cost: periods, proration, caps and promo codes. Pure, and integers only.
