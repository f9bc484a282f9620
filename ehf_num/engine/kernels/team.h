/* Shares of a call at the same time, on the thread that calls and on some of ours.

   A kernel takes tens of microseconds, a sleeping thread takes as long to wake. So whoever waits,
   for work or for its end, looks again and again for a while (PATIENCE) before it sleeps. Shares are
   claimed one by one, by who is ready: who calls does those that nobody has begun, because a thread
   is asleep or another process has its core. There is one team: a call that finds it at work does
   all of its shares itself. Who does a share does not change its bits.

   A thread that loses its core in the middle of a share keeps the call waiting. How much of that
   there was, a call knows from the time and the processor time of all who took part; where it was
   much again and again, calls go without the team for a while, which sleeps then, and try again. */

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define PATIENCE 500000 /* nanoseconds */

typedef void (*kernel)(const call *);

/* A number that one thread writes and another waits for. */
typedef struct {
    atomic_ulong number;
    atomic_int asleep;
    pthread_mutex_t mutex;
    pthread_cond_t written;
} event;

typedef struct {
    event posted; /* the last call that it was asked to help with */
} helper;

/* The call that the team is at. */
static struct {
    atomic_ullong ticket; /* its number, then 8 bits each: how many shares, how many are claimed */
    atomic_long finished; /* shares */
    atomic_long lost;     /* nanoseconds in which somebody who was at a share did not run */
    event done;
    kernel function;
    const call *shares;
} job;

static helper team[MAX_THREADS - 1];
static long team_size;
static atomic_flag team_at_work = ATOMIC_FLAG_INIT;

/* When to try the team again; by how much that is put off; how bad it was lately. */
static struct {
    atomic_long until;
    long pause, score;
} company;

#define FIRST_PAUSE 20000000L /* nanoseconds */
#define LAST_PAUSE 500000000L
#define DISTURBED 8 /* what a call that was disturbed adds to the score; one that was not takes 1 */

static long nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

static void rest(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void event_begin(event *of) {
    memset(of, 0, sizeof *of);
    pthread_mutex_init(&of->mutex, 0), pthread_cond_init(&of->written, 0);
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
    const long end = nanoseconds(CLOCK_MONOTONIC) + PATIENCE;
    unsigned long number;
    do {
        for (int i = 0; i < 32; i++, rest())
            if ((number = atomic_load(&of->number)) != last) return number;
    } while (nanoseconds(CLOCK_MONOTONIC) < end);
    pthread_mutex_lock(&of->mutex);
    atomic_store(&of->asleep, 1);
    while ((number = atomic_load(&of->number)) == last)
        pthread_cond_wait(&of->written, &of->mutex);
    atomic_store(&of->asleep, 0);
    pthread_mutex_unlock(&of->mutex);
    return number;
}

/* Claim a share of a call: -1 where none is left, or the call is over. */
static long claim(unsigned long number) {
    unsigned long long ticket = atomic_load(&job.ticket);
    for (;;) {
        const long next = ticket & 255, count = ticket >> 8 & 255;
        if (ticket >> 16 != number || next >= count) return -1;
        if (atomic_compare_exchange_weak(&job.ticket, &ticket, ticket + 1)) return next;
    }
}

static void do_share(kernel function, const call *share, long worker) {
    call own = *share;
    own.work = (char *)own.work + (size_t)worker * own.work_bytes;
    function(&own);
}

/* Do shares of a call while there are any; say when the last has ended. */
static void take_part(unsigned long number, long worker) {
    long share = claim(number), did = 0;
    if (share < 0) return;
    const long count = atomic_load(&job.ticket) >> 8 & 255;
    const long ran = nanoseconds(CLOCK_THREAD_CPUTIME_ID), began = nanoseconds(CLOCK_MONOTONIC);
    for (; share >= 0; share = claim(number), did++) do_share(job.function, job.shares + share, worker);
    const long lost = nanoseconds(CLOCK_MONOTONIC) - began;
    atomic_fetch_add(&job.lost, lost - (nanoseconds(CLOCK_THREAD_CPUTIME_ID) - ran));
    if (atomic_fetch_add(&job.finished, did) + did == count) event_write(&job.done, number);
}

static void *help(void *argument) {
    helper *self = argument;
    for (unsigned long number = atomic_load(&self->posted.number);;) {
        take_part(number, self - team + 1);
        number = event_await(&self->posted, number);
    }
    return 0;
}

/* Start threads until there are so many; returns how many there are. */
static long team_of(long wanted) {
    if (wanted <= team_size) return wanted;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for Python's own threads */
    if (!team_size) event_begin(&job.done);
    for (; team_size < wanted; team_size++) {
        pthread_t thread;
        helper *next = team + team_size;
        event_begin(&next->posted);
        if (pthread_create(&thread, 0, help, next)) break;
        pthread_detach(thread);
    }
    pthread_sigmask(SIG_SETMASK, &before, 0);
    return team_size;
}

/* Threads do not survive a fork, and the parent's may have been at work. */
static void team_forget(void) {
    team_size = 0;
    company.score = company.pause = 0;
    atomic_store(&company.until, 0);
    atomic_flag_clear(&team_at_work);
}

/* Learn from a call that began and ended then. */
static void look_around(long began, long ended) {
    const long lost = atomic_load(&job.lost);
    if (lost > 50000 && lost > (ended - began) / 8)
        company.score += DISTURBED;
    else if (company.score && !--company.score)
        company.pause = 0;
    if (company.score < 2 * DISTURBED) return;
    company.pause = company.pause ? 2 * company.pause : FIRST_PAUSE;
    if (company.pause > LAST_PAUSE) company.pause = LAST_PAUSE;
    atomic_store(&company.until, ended + company.pause);
    company.score = DISTURBED; /* the first disturbance afterwards is enough */
}

static void run_shares(kernel function, const call *shares, long count, long workers) {
    const long began = count > 1 && workers > 1 ? nanoseconds(CLOCK_MONOTONIC) : 0;
    const int ours = began && began >= atomic_load(&company.until) &&
                     !atomic_flag_test_and_set(&team_at_work);
    const long helpers = ours ? team_of(workers - 1) : 0;
    if (!helpers) {
        for (long k = 0; k < count; k++) do_share(function, shares + k, 0);
        if (ours) atomic_flag_clear(&team_at_work);
        return;
    }
    const unsigned long number = (atomic_load(&job.ticket) >> 16) + 1;
    job.function = function, job.shares = shares;
    atomic_store(&job.finished, 0), atomic_store(&job.lost, 0);
    atomic_store(&job.ticket, (unsigned long long)number << 16 | (unsigned long long)count << 8);
    for (long k = 0; k < helpers; k++) event_write(&team[k].posted, number);
    take_part(number, 0);
    unsigned long done = atomic_load(&job.done.number);
    while (done != number) done = event_await(&job.done, done);
    look_around(began, nanoseconds(CLOCK_MONOTONIC));
    atomic_flag_clear(&team_at_work);
}
