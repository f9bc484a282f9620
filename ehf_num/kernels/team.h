/* Shares of a call at the same time: the first on the thread that calls, each other on one of ours.

   A kernel takes tens of microseconds, a sleeping thread takes as long to wake. So whoever waits,
   for work or for its end, looks again and again for a while (PATIENCE) before it sleeps. There is
   one team: a call that finds it at work does its shares one after the other, to the same bits. */

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#define PATIENCE 500000 /* nanoseconds */

typedef void (*kernel)(const call *);

/* A count that one thread raises and another waits for. */
typedef struct {
    atomic_ulong count;
    atomic_int asleep;
    pthread_mutex_t mutex;
    pthread_cond_t raised;
} event;

typedef struct {
    event posted, done;
    kernel function;
    const call *share;
    unsigned long calls;
} helper;

static helper team[MAX_THREADS - 1];
static long team_size;
static atomic_flag team_at_work = ATOMIC_FLAG_INIT;

static long nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

static void rest(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void event_raise(event *of) {
    atomic_fetch_add(&of->count, 1);
    if (!atomic_load(&of->asleep)) return; /* it will see the count before it sleeps */
    pthread_mutex_lock(&of->mutex);
    pthread_cond_signal(&of->raised);
    pthread_mutex_unlock(&of->mutex);
}

static void event_await(event *of, unsigned long count) {
    const long end = nanoseconds() + PATIENCE;
    do {
        for (int i = 0; i < 32; i++, rest())
            if (atomic_load(&of->count) == count) return;
    } while (nanoseconds() < end);
    pthread_mutex_lock(&of->mutex);
    atomic_store(&of->asleep, 1);
    while (atomic_load(&of->count) != count) pthread_cond_wait(&of->raised, &of->mutex);
    atomic_store(&of->asleep, 0);
    pthread_mutex_unlock(&of->mutex);
}

static void *help(void *argument) {
    helper *self = argument;
    for (unsigned long next = 1;; next++) {
        event_await(&self->posted, next);
        self->function(self->share);
        event_raise(&self->done);
    }
    return 0;
}

/* Start threads until there are so many; returns how many there are. */
static long team_of(long wanted) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for Python's own threads */
    for (; team_size < wanted; team_size++) {
        pthread_t thread;
        helper *next = team + team_size;
        *next = (helper){.calls = 0};
        pthread_mutex_init(&next->posted.mutex, 0), pthread_cond_init(&next->posted.raised, 0);
        pthread_mutex_init(&next->done.mutex, 0), pthread_cond_init(&next->done.raised, 0);
        if (pthread_create(&thread, 0, help, next)) break;
        pthread_detach(thread);
    }
    pthread_sigmask(SIG_SETMASK, &before, 0);
    return team_size < wanted ? team_size : wanted;
}

/* Threads do not survive a fork, and the parent's may have been at work. */
static void team_forget(void) {
    team_size = 0;
    atomic_flag_clear(&team_at_work);
}

static void run_shares(kernel function, const call *shares, long count) {
    const int ours = count > 1 && !atomic_flag_test_and_set(&team_at_work);
    const long helpers = ours ? team_of(count - 1) : 0;
    for (long k = 0; k < helpers; k++) {
        team[k].function = function, team[k].share = shares + count - helpers + k;
        team[k].calls++;
        event_raise(&team[k].posted);
    }
    for (long k = 0; k < count - helpers; k++) function(shares + k);
    for (long k = 0; k < helpers; k++) event_await(&team[k].done, team[k].calls);
    if (ours) atomic_flag_clear(&team_at_work);
}
