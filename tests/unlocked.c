/* Preloaded, it makes every flock fail with the error number that LAB3_FLOCK_ERRNO names. */
#include <errno.h>
#include <stdlib.h>

int flock(int descriptor, int operation) {
    const char *number = getenv("LAB3_FLOCK_ERRNO");
    (void)descriptor;
    (void)operation;
    errno = number ? atoi(number) : ENOLCK;
    return -1;
}
