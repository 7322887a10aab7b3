# The base image with the Debian packages of images/airflow/user/packages.txt. images/airflow/Dockerfile starts from it,
# and takes away the setuid bits of their programs.
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
COPY packages.txt /tmp/packages.txt
# apt-get would take a name that it does not know for a pattern, if there is a dot in it.
RUN apt-get update \
    && while read -r package; do \
        apt-cache show "$package" > /dev/null 2>&1 \
        || { echo "images/airflow/user/packages.txt names $package, which Debian does not have for this processor:" \
                "check its name and its version." >&2; exit 1; }; \
    done < /tmp/packages.txt \
    && DEBIAN_FRONTEND=noninteractive xargs --arg-file=/tmp/packages.txt \
        apt-get install --yes --no-install-recommends -- \
    && rm -rf /var/lib/apt/lists/* /tmp/packages.txt
