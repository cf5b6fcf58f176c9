/* Shows programs a wall clock that is AHEAD seconds ahead. Durations, and clocks that only run, stay as they are.

   stages/conditions.py has it compiled in the sandbox and preloads it into the run of the tests. libfaketime is no choice:
   up to 0.9.10, which Debian has, time.sleep of Python 3.11 fails where the monotonic clock is left alone (its issue 426),
   and waiting for a lock never ends where it is not.

   - A deadline on the wall clock is given to the system AHEAD seconds earlier. Where a call does not tell the clock, a
     value after 2001 is on it: no machine has been running for that long.
   - A file written since SINCE has the time that this clock showed then. Older ones keep theirs, as they will in AHEAD
     seconds; and so does a file whose time was set to what this clock shows.
   - Not seen: timers on the wall clock (timer_settime, timerfd_settime), and programs that ask without the C library. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define WALL(clock) ((clock) == CLOCK_REALTIME || (clock) == CLOCK_REALTIME_COARSE || (clock) == CLOCK_TAI)
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static struct timespec kept(const struct timespec *deadline, int wall)
{
    struct timespec real = *deadline;
    if (wall)
        real.tv_sec = real.tv_sec > AHEAD ? real.tv_sec - AHEAD : 0;
    return real;
}

static int tells_wall(const struct timespec *deadline) { return deadline->tv_sec > 1000000000; }

int clock_gettime(clockid_t clock, struct timespec *shown)
{
    int result = syscall(SYS_clock_gettime, clock, shown);
    if (result == 0 && WALL(clock))
        shown->tv_sec += AHEAD;
    return result;
}

int gettimeofday(struct timeval *shown, void *zone)
{
    int result = syscall(SYS_gettimeofday, shown, zone);
    if (result == 0 && shown)
        shown->tv_sec += AHEAD;
    return result;
}

time_t time(time_t *place)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (place)
        *place = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *shown, int base)
{
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, shown) == 0 ? base : 0;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *asked, struct timespec *left)
{
    struct timespec real = kept(asked, (flags & TIMER_ABSTIME) && WALL(clock));
    return NEXT(clock_nanosleep)(clock, flags, &real, left);
}

int sem_timedwait(sem_t *sem, const struct timespec *deadline)
{
    struct timespec real = kept(deadline, 1);
    return NEXT(sem_timedwait)(sem, &real);
}

int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *deadline)
{
    struct timespec real = kept(deadline, 1);
    return NEXT(pthread_mutex_timedlock)(mutex, &real);
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *deadline)
{
    struct timespec real = kept(deadline, tells_wall(deadline));
    return NEXT(pthread_cond_timedwait)(cond, mutex, &real);
}

/* glibc has these two from 2.30 on. */
int sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *deadline)
{
    struct timespec real = kept(deadline, WALL(clock));
    return ((int (*)(sem_t *, clockid_t, const struct timespec *))dlsym(RTLD_NEXT, "sem_clockwait"))(sem, clock, &real);
}

int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *deadline)
{
    struct timespec real = kept(deadline, WALL(clock));
    int (*next)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
    *(void **)&next = dlsym(RTLD_NEXT, "pthread_cond_clockwait");
    return next(cond, mutex, clock, &real);
}

/* Files. On 64-bit machines the system's struct stat is glibc's, and there is one of a kind. */

static void show(long *seconds)
{
    if (*seconds >= SINCE && *seconds < SINCE + AHEAD / 2)
        *seconds += AHEAD;
}

static int told(int folder, const char *path, struct stat *found, int flags)
{
    int result = syscall(SYS_newfstatat, folder, path, found, flags);
    if (result == 0) {
        show(&found->st_atim.tv_sec);
        show(&found->st_mtim.tv_sec);
        show(&found->st_ctim.tv_sec);
    }
    return result;
}

int stat(const char *path, struct stat *found) { return told(AT_FDCWD, path, found, 0); }
int lstat(const char *path, struct stat *found) { return told(AT_FDCWD, path, found, AT_SYMLINK_NOFOLLOW); }
int fstat(int fd, struct stat *found) { return told(fd, "", found, AT_EMPTY_PATH); }
int fstatat(int folder, const char *path, struct stat *found, int flags) { return told(folder, path, found, flags); }

int stat64(const char *, struct stat64 *) __attribute__((alias("stat")));
int lstat64(const char *, struct stat64 *) __attribute__((alias("lstat")));
int fstat64(int, struct stat64 *) __attribute__((alias("fstat")));
int fstatat64(int, const char *, struct stat64 *, int) __attribute__((alias("fstatat")));

/* What programs of glibc before 2.33 call. */
int __xstat(int version, const char *path, struct stat *found) { return told(AT_FDCWD, path, found, 0); }
int __fxstat(int version, int fd, struct stat *found) { return told(fd, "", found, AT_EMPTY_PATH); }
int __lxstat(int version, const char *path, struct stat *found) { return told(AT_FDCWD, path, found, AT_SYMLINK_NOFOLLOW); }
int __fxstatat(int version, int folder, const char *path, struct stat *found, int flags)
{
    return told(folder, path, found, flags);
}
int __xstat64(int, const char *, struct stat64 *) __attribute__((alias("__xstat")));
int __fxstat64(int, int, struct stat64 *) __attribute__((alias("__fxstat")));
int __lxstat64(int, const char *, struct stat64 *) __attribute__((alias("__lxstat")));
int __fxstatat64(int, int, const char *, struct stat64 *, int) __attribute__((alias("__fxstatat")));

int statx(int folder, const char *path, int flags, unsigned mask, struct statx *found)
{
    int result = syscall(SYS_statx, folder, path, flags, mask, found);
    if (result == 0) {
        struct statx_timestamp *times[] = {&found->stx_atime, &found->stx_btime, &found->stx_ctime, &found->stx_mtime};
        for (int each = 0; each < 4; each++) {
            long seconds = times[each]->tv_sec;
            show(&seconds);
            times[each]->tv_sec = seconds;
        }
    }
    return result;
}
