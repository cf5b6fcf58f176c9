"""Which Debian package brings a header, a library, a pkg-config name or a program.

Names that bullseye, bookworm and trixie share (packages.debian.org, "Search the contents of packages").
"""

from swemill.environment.failures import FailureKind

_HEADERS = """
    alsa/asoundlib.h libasound2-dev | apr.h libapr1-dev | attr/xattr.h libattr1-dev | avcodec.h libavcodec-dev
    libavcodec/avcodec.h libavcodec-dev | libavformat/avformat.h libavformat-dev | blas.h libblas-dev
    bluetooth/bluetooth.h libbluetooth-dev | boost/ libboost-all-dev | bzlib.h libbz2-dev | cairo.h libcairo2-dev
    cblas.h libopenblas-dev | cups/http.h libcups2-dev | cups/cups.h libcups2-dev
    curl/curl.h libcurl4-openssl-dev | db.h libdb-dev | dbus/dbus.h libdbus-1-dev | Eigen/ libeigen3-dev
    enchant.h libenchant-2-dev | event.h libevent-dev | expat.h libexpat1-dev | ffi.h libffi-dev
    fftw3.h libfftw3-dev | freetype/ libfreetype6-dev | ft2build.h libfreetype6-dev | fuse.h libfuse-dev
    fuse/fuse.h libfuse-dev | gd.h libgd-dev | gdal.h libgdal-dev | gdbm.h libgdbm-dev | geos_c.h libgeos-dev
    glib.h libglib2.0-dev | gmp.h libgmp-dev | gpgme.h libgpgme-dev | graphviz/ libgraphviz-dev
    cgraph.h libgraphviz-dev | gsl/ libgsl-dev | gssapi.h libkrb5-dev | gssapi/ libkrb5-dev | hdf5.h libhdf5-dev
    hiredis/ libhiredis-dev | ibverbs.h libibverbs-dev | idna.h libidn11-dev | jpeglib.h libjpeg-dev
    krb5.h libkrb5-dev | lapacke.h liblapacke-dev | lber.h libldap2-dev | ldap.h libldap2-dev
    sasl/sasl.h libsasl2-dev | sasl.h libsasl2-dev | leveldb/ libleveldb-dev | libmemcached/ libmemcached-dev
    libpq-fe.h libpq-dev | libpq/ libpq-dev | libssh2.h libssh2-1-dev | libusb.h libusb-1.0-0-dev
    libusb-1.0/ libusb-1.0-0-dev | libxml/ libxml2-dev | libxslt/ libxslt1-dev | lmdb.h liblmdb-dev
    lz4.h liblz4-dev | lzma.h liblzma-dev | lzo/ liblzo2-dev | magic.h libmagic-dev | mcrypt.h libmcrypt-dev
    mecab.h libmecab-dev | mpc.h libmpc-dev | mpfr.h libmpfr-dev | mpi.h libopenmpi-dev
    mysql.h default-libmysqlclient-dev | mysql/ default-libmysqlclient-dev | my_config.h default-libmysqlclient-dev
    ncurses.h libncurses-dev | curses.h libncurses-dev | netcdf.h libnetcdf-dev | numa.h libnuma-dev
    ogg/ogg.h libogg-dev | openjpeg.h libopenjp2-7-dev | openssl/ libssl-dev | pcap.h libpcap-dev
    pcre2.h libpcre2-dev | png.h libpng-dev | portaudio.h portaudio19-dev
    proj_api.h libproj-dev | proj.h libproj-dev | pulse/ libpulse-dev | rados/librados.h librados-dev
    rdkafka.h librdkafka-dev | librdkafka/ librdkafka-dev | re2/re2.h libre2-dev | readline/ libreadline-dev
    rocksdb/ librocksdb-dev | SDL.h libsdl2-dev | SDL2/SDL.h libsdl2-dev | SDL/SDL.h libsdl1.2-dev
    selinux/ libselinux1-dev | smbclient.h libsmbclient-dev | libsmbclient.h libsmbclient-dev
    snappy-c.h libsnappy-dev | snappy.h libsnappy-dev | sndfile.h libsndfile1-dev | sodium.h libsodium-dev
    spatialindex/ libspatialindex-dev | sql.h unixodbc-dev | sqlext.h unixodbc-dev | sqlite3.h libsqlite3-dev
    sqlfront.h freetds-dev | sybdb.h freetds-dev | suitesparse/ libsuitesparse-dev | sys/acl.h libacl1-dev
    sys/capability.h libcap-dev | systemd/ libsystemd-dev | tcl.h tcl-dev | tk.h tk-dev | tidy.h libtidy-dev
    tiff.h libtiff-dev | tiffio.h libtiff-dev | udev.h libudev-dev | libudev.h libudev-dev | uuid/uuid.h uuid-dev
    webp/ libwebp-dev | X11/ libx11-dev | xcb/xcb.h libxcb1-dev | xmlsec/ libxmlsec1-dev | yaml.h libyaml-dev
    yajl/ libyajl-dev | zbar.h libzbar-dev | zlib.h zlib1g-dev | zmq.h libzmq3-dev | zstd.h libzstd-dev
    Python.h python3-dev | nanomsg/ libnanomsg-dev | igraph/ libigraph-dev | openbabel/ libopenbabel-dev
    oniguruma.h libonig-dev | protobuf-c/ libprotobuf-c-dev | google/protobuf/ libprotobuf-dev | gmpxx.h libgmp-dev
    net-snmp/ libsnmp-dev | liburing.h liburing-dev | ares.h libc-ares-dev | ev.h libev-dev | uv.h libuv1-dev
"""
_LIBRARIES = """
    GL libgl1 | GLU libglu1-mesa | EGL libegl1 | SM libsm6 | Xext libxext6 | Xrender libxrender1 | X11 libx11-dev
    X11-xcb libx11-xcb-dev | xcb libxcb1-dev | glib libglib2.0-dev | gthread libglib2.0-dev | gobject libglib2.0-dev
    gobject-2 libglib2.0-dev | glib-2 libglib2.0-dev | gthread-2 libglib2.0-dev | gomp libgomp1 | gfortran gfortran
    cairo libcairo2-dev | cairo-2 libcairo2-dev | pango libpango1.0-dev | pangocairo libpango1.0-dev
    pango-1 libpango1.0-dev | pangoft2 libpango1.0-dev | gdk_pixbuf libgdk-pixbuf-2.0-dev
    gdk_pixbuf-2 libgdk-pixbuf-2.0-dev | rsvg librsvg2-dev | magic libmagic1 | geos_c libgeos-dev | geos libgeos-dev
    gdal libgdal-dev | proj libproj-dev | spatialindex libspatialindex-dev | spatialindex_c libspatialindex-dev
    pq libpq-dev | mysqlclient default-libmysqlclient-dev | mariadb default-libmysqlclient-dev
    mariadbclient default-libmysqlclient-dev | mysqlclient_r default-libmysqlclient-dev | odbc unixodbc-dev
    ldap libldap2-dev | ldap_r libldap2-dev | lber libldap2-dev | sasl2 libsasl2-dev | ssl libssl-dev
    crypto libssl-dev | xml2 libxml2-dev | xslt libxslt1-dev | exslt libxslt1-dev | xmlsec1 libxmlsec1-dev
    z zlib1g-dev | zlib zlib1g-dev | jpeg libjpeg-dev | tiff libtiff-dev | png libpng-dev | webp libwebp-dev
    freetype libfreetype6-dev | lcms2 liblcms2-dev | openjp2 libopenjp2-7-dev | jpeg2000 libopenjp2-7-dev
    raqm libraqm-dev | imagequant libimagequant-dev | yaml libyaml-dev | ffi libffi-dev | curl libcurl4-openssl-dev
    snappy libsnappy-dev | leveldb libleveldb-dev | hdf5 libhdf5-dev | hdf5_hl libhdf5-dev | netcdf libnetcdf-dev
    blas libopenblas-dev | lapack liblapack-dev | openblas libopenblas-dev | atlas libopenblas-dev
    fftw3 libfftw3-dev | gsl libgsl-dev | gmp libgmp-dev | mpfr libmpfr-dev | mpc libmpc-dev | mpi libopenmpi-dev
    sodium libsodium-dev | zmq libzmq3-dev | memcached libmemcached-dev | event libevent-dev | ev libev-dev
    uv libuv1-dev | db libdb-dev | gdbm libgdbm-dev | lmdb liblmdb-dev | bz2 libbz2-dev | lzma liblzma-dev
    lzo2 liblzo2-dev | lz4 liblz4-dev | zstd libzstd-dev | readline libreadline-dev | ncurses libncurses-dev
    ncursesw libncurses-dev | tinfo libncurses-dev | portaudio portaudio19-dev | sndfile libsndfile1
    asound libasound2-dev | pulse libpulse-dev | usb libusb-1.0-0-dev | usb-1 libusb-1.0-0-dev
    hidapi-hidraw libhidapi-dev | hidapi libhidapi-dev | udev libudev-dev | dbus-1 libdbus-1-dev
    enchant libenchant-2-dev | enchant-2 libenchant-2-dev | SDL2 libsdl2-dev | SDL2-2 libsdl2-dev
    SDL libsdl1.2-dev | tk tk-dev | tcl tcl-dev | tkinter python3-tk | zbar libzbar-dev
    MagickWand libmagickwand-dev | gssapi_krb5 libkrb5-dev | krb5 libkrb5-dev | sybdb freetds-dev | nss3 libnss3
    nspr4 libnspr4 | atk-1 libatk1.0-dev | xkbcommon libxkbcommon-dev | xkbcommon-x11 libxkbcommon-x11-0
    xcb-icccm libxcb-icccm4 | xcb-image libxcb-image0 | xcb-keysyms libxcb-keysyms1
    xcb-render-util libxcb-render-util0 | xcb-xinerama libxcb-xinerama0 | xcb-cursor libxcb-cursor0
    fontconfig libfontconfig1-dev | gtk-3 libgtk-3-dev | gpgme libgpgme-dev | git2 libgit2-dev
    archive libarchive-dev | exiv2 libexiv2-dev | boost_python libboost-python-dev | tidy libtidy-dev
    taglib libtag1-dev | sqlite3 libsqlite3-dev | unwind libunwind-dev | espeak libespeak-dev
"""
_PKG_CONFIG = """
    cairo libcairo2-dev | pycairo python3-cairo-dev | py3cairo python3-cairo-dev | glib-2.0 libglib2.0-dev
    gobject-introspection-1.0 libgirepository1.0-dev
    gtk+-3.0 libgtk-3-dev | gdk-pixbuf-2.0 libgdk-pixbuf-2.0-dev | gstreamer-1.0 libgstreamer1.0-dev
    dbus-1 libdbus-1-dev | dbus-glib-1 libdbus-glib-1-dev | libffi libffi-dev
    mysqlclient default-libmysqlclient-dev | mariadb default-libmysqlclient-dev
    libmariadb default-libmysqlclient-dev | libpq libpq-dev | freetype2 libfreetype6-dev | libpng libpng-dev
    xmlsec1 libxmlsec1-dev | libxml-2.0 libxml2-dev | libxslt libxslt1-dev | libsystemd libsystemd-dev
    libvirt libvirt-dev | openblas libopenblas-dev | OpenBLAS libopenblas-dev | lapack liblapack-dev
    blas libblas-dev | hdf5 libhdf5-dev | libavformat libavformat-dev | libavcodec libavcodec-dev
    libavdevice libavdevice-dev | libavfilter libavfilter-dev | libavutil libavutil-dev | libswscale libswscale-dev
    libswresample libswresample-dev | fuse libfuse-dev | fuse3 libfuse3-dev | libzmq libzmq3-dev | sdl2 libsdl2-dev
    openssl libssl-dev | libcurl libcurl4-openssl-dev | libsecret-1 libsecret-1-dev | geos libgeos-dev
    proj libproj-dev | libgit2 libgit2-dev | libcgraph libgraphviz-dev | libcdt libgraphviz-dev
    opencv libopencv-dev | opencv4 libopencv-dev | pangocairo libpango1.0-dev | pango libpango1.0-dev
    poppler-cpp libpoppler-cpp-dev | sndfile libsndfile1-dev | MagickWand libmagickwand-dev | x11 libx11-dev
    xcb libxcb1-dev | zlib zlib1g-dev | yaml-0.1 libyaml-dev | libsodium libsodium-dev | jack libjack-dev
    alsa libasound2-dev | udev libudev-dev | libudev libudev-dev | libusb-1.0 libusb-1.0-0-dev
"""
_PROGRAMS = """
    pg_config libpq-dev | mysql_config default-libmysqlclient-dev | mariadb_config default-libmysqlclient-dev
    krb5-config libkrb5-dev | curl-config libcurl4-openssl-dev | gdal-config libgdal-dev | geos-config libgeos-dev
    freetype-config libfreetype6-dev | net-snmp-config libsnmp-dev | xml2-config libxml2-dev
    xslt-config libxslt1-dev | llvm-config llvm-dev | nc-config libnetcdf-dev | sdl-config libsdl1.2-dev
    sdl2-config libsdl2-dev | xmlsec1 libxmlsec1-dev | swig swig | swig3.0 swig
    cmake cmake | ninja ninja-build | make make | gcc gcc | g++ g++ | cc gcc | c++ g++ | gfortran gfortran
    f77 gfortran | f95 gfortran | rustc rustc,cargo | cargo rustc,cargo | go golang-go | node nodejs | nodejs nodejs
    npm npm | yarn yarnpkg | bower npm | java default-jre-headless | javac default-jdk-headless | ant ant
    mvn maven | ruby ruby | perl perl | git git | hg mercurial | svn subversion | bzr brz | patch patch
    pkg-config pkg-config | autoconf autoconf | automake automake | aclocal automake | libtoolize libtool
    libtool libtool | autoreconf autoconf,automake,libtool | bison bison | flex flex | yasm yasm | nasm nasm
    protoc protobuf-compiler | gpg gnupg | gpg2 gnupg2 | openssl openssl | ssh openssh-client
    ssh-keygen openssh-client | curl curl | wget wget | unzip unzip | zip zip | 7z p7zip-full | xz xz-utils
    rsync rsync | tar tar | file file | which debianutils | gettext gettext | msgfmt gettext | xgettext gettext
    pandoc pandoc | dot graphviz | latex texlive-latex-base | pdflatex texlive-latex-base | dvipng dvipng
    convert imagemagick | identify imagemagick | gs ghostscript | pdftotext poppler-utils | pdftoppm poppler-utils
    ffmpeg ffmpeg | ffprobe ffmpeg | sox sox | espeak espeak | tesseract tesseract-ocr | redis-server redis-server
    memcached memcached | postgres postgresql | initdb postgresql | mysqld default-mysql-server
    xvfb-run xvfb | Xvfb xvfb | man man-db | less less | ps procps | ip iproute2 | ifconfig net-tools
    hostname hostname | ping iputils-ping | lsb_release lsb-release | sudo sudo | tmux tmux | screen screen
    zsh zsh | fish fish | tcsh tcsh | ksh ksh | bash bash | vim vim | nano nano | jq jq | sqlite3 sqlite3
    psql postgresql-client | mysql default-mysql-client | exiftool libimage-exiftool-perl
    locale-gen locales | clang clang | valgrind valgrind | gdb gdb | strace strace | doxygen doxygen
    help2man help2man | mpicc libopenmpi-dev | mpirun openmpi-bin
"""


def _table(text: str) -> dict[str, str]:
    pairs = (pair.split() for line in text.splitlines() for pair in line.split("|") if pair.strip())
    return {name: packages.replace(",", " ") for name, packages in pairs}


TABLES = {
    FailureKind.MISSING_HEADER: _table(_HEADERS),
    FailureKind.MISSING_LIBRARY: _table(_LIBRARIES),
    FailureKind.MISSING_PKG_CONFIG: _table(_PKG_CONFIG),
    FailureKind.MISSING_PROGRAM: _table(_PROGRAMS),
}


def debian_packages(kind: FailureKind, name: str) -> str:
    """The Debian packages (space separated) that bring ``name``; empty when none is known.

    A header is looked up as it is included, by its first folder, and by its plain name; a library with and
    without ``lib``.
    """
    table = TABLES.get(kind, {})
    folder, slash, plain = name.partition("/")
    for known in (
        name,
        f"{folder}/" if slash else "",
        plain.rpartition("/")[2],
        name.removeprefix("lib"),
        f"lib{name}",
    ):
        if known and known in table:
            return table[known]
    return ""
