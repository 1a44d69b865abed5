"""B′ repaired further: fine-tuned on clean validation images, made smaller, or put together with B as G."""
