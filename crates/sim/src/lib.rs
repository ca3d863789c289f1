//! Test only: the whole service in one process, one thread, one seed, any fault.
