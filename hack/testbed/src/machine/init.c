/*
 * Process 1 of a machine and of every pod sandbox: it does nothing but adopt
 * and reap orphans, and ends on SIGTERM or SIGINT.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <sys/wait.h>

static void leave(int signal) {
	(void)signal;
	_exit(0);
}

static void wake(int signal) {
	(void)signal;
}

int main(void) {
	struct sigaction leaving = {.sa_handler = leave}, waking = {.sa_handler = wake};
	sigset_t children, usual;

	sigaction(SIGTERM, &leaving, NULL);
	sigaction(SIGINT, &leaving, NULL);
	sigaction(SIGCHLD, &waking, NULL);
	/* SIGCHLD is let in only while waiting for it, so none is missed in between. */
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, &usual);
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		sigsuspend(&usual);
	}
}
