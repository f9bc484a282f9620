/* Shares of a call at the same time: the first on the thread that calls, each other on one of ours.

   A kernel takes tens of microseconds, a sleeping thread takes as long to wake. So whoever waits,
   for work or for its end, looks again and again for a while (PATIENCE) before it sleeps. A share is
   claimed before it is begun: who calls does those itself that nobody has begun when it is ready,
   because a thread is asleep or another process has its core. There is one team: a call that finds
   it at work does all of its shares itself. Who does a share does not change its bits. */

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define PATIENCE 500000 /* nanoseconds */

typedef void (*kernel)(const call *);

/* The number of a call, which one thread writes and another waits for. */
typedef struct {
    atomic_ulong number;
    atomic_int asleep;
    pthread_mutex_t mutex;
    pthread_cond_t written;
} event;

typedef struct {
    event posted, done;
    atomic_ulong claimed; /* the last call whose share somebody has begun */
    kernel function;
    const call *share;
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

static void event_write(event *of, unsigned long number) {
    atomic_store(&of->number, number);
    if (!atomic_load(&of->asleep)) return; /* it will see the number before it sleeps */
    pthread_mutex_lock(&of->mutex);
    pthread_cond_signal(&of->written);
    pthread_mutex_unlock(&of->mutex);
}

/* Wait for a number beyond the last one, and return it. */
static unsigned long event_await(event *of, unsigned long last) {
    const long end = nanoseconds() + PATIENCE;
    unsigned long number;
    do {
        for (int i = 0; i < 32; i++, rest())
            if ((number = atomic_load(&of->number)) != last) return number;
    } while (nanoseconds() < end);
    pthread_mutex_lock(&of->mutex);
    atomic_store(&of->asleep, 1);
    while ((number = atomic_load(&of->number)) == last)
        pthread_cond_wait(&of->written, &of->mutex);
    atomic_store(&of->asleep, 0);
    pthread_mutex_unlock(&of->mutex);
    return number;
}

/* Say that one begins the share of a call: 0 where somebody else has. */
static int claimed(helper *of, unsigned long number) {
    unsigned long before = number - 1;
    return atomic_compare_exchange_strong(&of->claimed, &before, number);
}

static void *help(void *argument) {
    helper *self = argument;
    for (unsigned long number = 0;;) {
        number = event_await(&self->posted, number);
        if (!claimed(self, number)) continue;
        self->function(self->share);
        event_write(&self->done, number);
    }
    return 0;
}

/* Start threads until there are so many; returns how many there are. */
static long team_of(long wanted) {
    if (wanted <= team_size) return wanted;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for Python's own threads */
    for (; team_size < wanted; team_size++) {
        pthread_t thread;
        helper *next = team + team_size;
        memset(next, 0, sizeof *next);
        pthread_mutex_init(&next->posted.mutex, 0), pthread_cond_init(&next->posted.written, 0);
        pthread_mutex_init(&next->done.mutex, 0), pthread_cond_init(&next->done.written, 0);
        if (pthread_create(&thread, 0, help, next)) break;
        pthread_detach(thread);
    }
    pthread_sigmask(SIG_SETMASK, &before, 0);
    return team_size;
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
        event_write(&team[k].posted, atomic_load(&team[k].posted.number) + 1);
    }
    for (long k = 0; k < count - helpers; k++) function(shares + k);
    for (long k = 0; k < helpers; k++) {
        const unsigned long number = atomic_load(&team[k].posted.number);
        unsigned long done = atomic_load(&team[k].done.number);
        if (claimed(team + k, number))
            function(team[k].share);
        else
            while (done != number) done = event_await(&team[k].done, done);
    }
    if (ours) atomic_flag_clear(&team_at_work);
}
